# Each target is one line that can be typed by hand.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check slow bench bench-quick rest docs lock clean

run: .venv/run           ## the main job: a published trial, answered by the model
	$(BIN)/opiome run compose-4 --patients 500 --out results/compose-4 --force

test: .venv/test         ## the fast test suite
	$(BIN)/python -m pytest -q -m "not slow"

check: .venv/test        ## style, types, import order, the model's own lint
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/opiome model lint

slow: .venv/test         ## checks that take an hour; they resume where they stopped
	$(BIN)/python -m pytest -q -m slow && $(BIN)/opiome validate && $(BIN)/python qualification/run.py && $(BIN)/python qualification/standing.py && $(BIN)/python qualification/operating.py pool && $(BIN)/python qualification/operating.py null && $(BIN)/python qualification/operating.py replicates && $(BIN)/python qualification/operating.py page

bench: .venv/bench       ## speed and accuracy against named peers
	$(BIN)/python benchmarks/bench.py

bench-quick: .venv/test  ## one ratio against libRoadRunner, within a minute
	$(BIN)/python benchmarks/bench.py --quick

rest: .venv/test         ## the numbers of the model that follow from the others
	$(BIN)/opiome model rest src/opiome/model

docs: .venv/test         ## the documentation as HTML
	$(BIN)/python -m sphinx -W -b html docs docs/_build/html

lock:                    ## the lock files, from pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --extra test -c requirements.lock pyproject.toml -o requirements-test.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --extra test --extra bench -c requirements-test.lock pyproject.toml -o requirements-bench.lock

.venv/run: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv && $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock && $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e . && touch $@

.venv/test: requirements-test.lock .venv/run
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-test.lock && touch $@

.venv/bench: requirements-bench.lock .venv/test
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-bench.lock && touch $@
	-$(BIN)/python -m pip install -q --disable-pip-version-check -c requirements-bench.lock -e '.[amici]' # where there is a C++ compiler

clean:
	rm -rf .venv results docs/_build
