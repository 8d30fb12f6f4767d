"""SBML text to a :class:`~opiome.engine._system.System`: reactions, rules, functions, events.

A species that reactions change is integrated as an **amount**; in mathematics its symbol means the
concentration unless ``hasOnlySubstanceUnits`` (SBML L3V2, 4.6.8). Everything else is integrated as its
symbol.
"""

# ruff: noqa: ANN401 - libSBML's objects have no types
from __future__ import annotations

import math
from typing import Any

import libsbml

from opiome.engine._graph import Graph
from opiome.engine._mathml import Translator
from opiome.engine._system import System, Trigger
from opiome.errors import ModelError, Problem, UnsupportedSbmlError, nearest

LEVEL_3 = 3


def read(text: str) -> Reader:
    """Parse SBML text.

    Raises:
        ModelError: the text is not SBML, with libSBML's messages and lines.
        UnsupportedSbmlError: a construct that the engine does not integrate, by name and line.
    """
    document = libsbml.readSBMLFromString(text)
    if document.getNumErrors(libsbml.LIBSBML_SEV_ERROR) + document.getNumErrors(libsbml.LIBSBML_SEV_FATAL):
        errors = [document.getError(i) for i in range(document.getNumErrors())]
        raise ModelError(
            Problem(
                " ".join(e.getMessage().split()),
                file="SBML",
                line=e.getLine(),
                remedy="correct the SBML text",
            )
            for e in errors
            if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR
        )
    if document.getModel() is None:
        raise ModelError(
            Problem("the text holds no SBML model", file="SBML", remedy="give the text of an SBML file")
        )
    return Reader(_flat(document))


def _flat(document: Any) -> Any:
    """A model composed of submodels as one model; their variables are named ``submodel__id``."""
    if document.getPlugin("comp") is None:
        return document
    options = libsbml.ConversionProperties()
    options.addOption("flatten comp", True)  # noqa: FBT003 - libSBML takes no keywords
    if document.convert(options) != libsbml.LIBSBML_OPERATION_SUCCESS:
        errors = [document.getError(i) for i in range(document.getNumErrors())]
        words = "; ".join(" ".join(e.getMessage().split()) for e in errors[:3])
        raise UnsupportedSbmlError(
            f"SBML package `comp` (line 1): its submodels cannot be joined: {words or 'no reason given'}"
        )
    return document


class Reader:
    """One SBML document and the graph that it becomes."""

    def __init__(self, document: Any) -> None:
        self.document, self.model = document, document.getModel()
        self.graph = Graph()
        self.system = System(self.graph)
        self._refuse()
        self.functions = {f.getId(): f for f in self.model.getListOfFunctionDefinitions()}
        self.elements = {
            e.getId(): e
            for group in (
                self.model.getListOfCompartments(),
                self.model.getListOfSpecies(),
                self.model.getListOfParameters(),
            )
            for e in group
        }
        self.reactions = {r.getId(): r for r in self.model.getListOfReactions()}
        self.references = {
            s.getId(): s
            for r in self.reactions.values()
            for s in (*r.getListOfReactants(), *r.getListOfProducts())
            if s.getId()
        }
        rules = [
            r for r in self.model.getListOfRules() if r.getMath() is not None
        ]  # L3V2: others say nothing
        self.assignments = {r.getVariable(): r for r in rules if r.isAssignment()}
        self.rate_rules = {r.getVariable(): r for r in rules if r.isRate()}
        self.initial = {
            a.getSymbol(): a for a in self.model.getListOfInitialAssignments() if a.getMath() is not None
        }
        self.events = [
            e
            for e in self.model.getListOfEvents()
            if e.getTrigger() is not None and e.getTrigger().getMath() is not None
        ]
        self.slots: dict[str, int] = {}
        self.state_index: dict[str, int] = {}
        self._now: dict[str, int | None] = {}
        self._rates: tuple[dict[str, int | None], dict[str, int | None]] = ({}, {})
        self._at_start: dict[str, int | None] = {}
        g = self.graph
        self.now = Translator(g, self.functions, self.symbol, g.time, self.rate_of)
        self.then = Translator(g, self.functions, self.initial_value, g.zero, self.rate_of_at_start)
        self._reacting = self._reacting_species()
        self._amounts = self._reacting | self._diluted_species()
        self._number_variables()
        self._fill()

    # what is refused
    def _refuse(self) -> None:
        model, problems = self.model, []
        packages = self.document.getNumPlugins() if self.document.getLevel() >= LEVEL_3 else 0
        for i in range(packages):  # libSBML shows level 2's annotations (layout) as packages too
            package = self.document.getPlugin(i)
            name = package.getPackageName()
            if name != "l3v2extendedmath" and self.document.getPackageRequired(name):
                problems.append(f"SBML package `{name}` (line 1)")
        problems += [
            f"algebraic rule (line {r.getLine()})" for r in model.getListOfRules() if r.isAlgebraic()
        ]
        for r in model.getListOfReactions():
            if r.isSetFast() and r.getFast():
                problems.append(f"fast reaction `{r.getId()}` (line {r.getLine()})")
            if r.getKineticLaw() is None or r.getKineticLaw().getMath() is None:
                problems.append(f"reaction `{r.getId()}` without a kinetic law (line {r.getLine()})")
        if problems:
            raise UnsupportedSbmlError(
                "the engine integrates explicit ordinary differential equations and cannot take: "
                + "; ".join(problems)
            )

    # who is what
    def _reacting_species(self) -> set[str]:
        changed = {
            s.getSpecies()
            for r in self.reactions.values()
            for s in (*r.getListOfReactants(), *r.getListOfProducts())
        }
        return {
            name
            for name in changed
            if not self.elements[name].getBoundaryCondition() and name not in self.assignments
        }

    def _diluted_species(self) -> set[str]:
        """Species whose amount is constant but for events, while the volume around them changes."""
        assigned = {a.getVariable() for e in self.events for a in e.getListOfEventAssignments()}
        ruled = {*self.assignments, *self.rate_rules}
        return {
            s.getId()
            for s in self.model.getListOfSpecies()
            if s.getId() not in ruled
            and not s.getHasOnlySubstanceUnits()
            and s.getCompartment() in ruled | assigned
        }

    def _number_variables(self) -> None:  # noqa: C901 - each kind of element once
        """States and parameter slots, in document order; constants with an initial assignment come last."""
        later: list[str] = []
        volume = self.elements.get("default_compartment")  # Antimony's, when a model names none
        unit = isinstance(volume, libsbml.Compartment) and volume.getSize() == 1.0
        taken = {*self.initial, *self.assignments, *self.rate_rules}
        self._unit_volumes = {"default_compartment"} - taken if unit else set()
        for name in (*self.elements, *self.references):
            if name in self.assignments or name in self._unit_volumes:
                continue
            if name in self._amounts or name in self.rate_rules:
                self.state_index[name] = len(self.system.states)
                self.system.states.append(name)
            elif name in self.references:
                if name in self.initial or self.references[name].isSetStoichiometry():
                    later.append(name)
            elif name in self.initial or self._declared(name) is None:
                later.append(name)
            else:
                self.slots[name] = len(self.system.parameters)
                self.system.parameters[name] = self._declared(name)  # type: ignore[assignment]
        for reaction in self.reactions.values():
            law = reaction.getKineticLaw()
            for p in (
                *law.getListOfLocalParameters(),
                *(law.getListOfParameters() if law.getLevel() < LEVEL_3 else ()),
            ):
                name = f"{reaction.getId()}_{p.getId()}"
                while name in self.elements or name in self.slots:
                    name += "_"
                self.slots[f"{reaction.getId()}.{p.getId()}"] = len(self.system.parameters)
                self.system.parameters[name] = p.getValue()
        for name in later:
            self.slots[name] = len(self.system.parameters) + len(self.system.derived)
            self.system.derived.append(name)

    def _declared(self, name: str) -> float | None:
        """The value written at the declaration of a constant, as its symbol means it; None if computed."""
        e = self.elements[name]
        if isinstance(e, libsbml.Species):
            if e.getHasOnlySubstanceUnits():
                return e.getInitialAmount() if e.isSetInitialAmount() else None
            if e.isSetInitialConcentration():
                return e.getInitialConcentration()  # type: ignore[no-any-return]
            return None
        if isinstance(e, libsbml.Compartment):
            return e.getSize() if e.isSetSize() else 1.0
        return e.getValue() if e.isSetValue() else math.nan

    def _fill(self) -> None:
        system = self.system
        for name in system.states:
            system.rates.append(self.rate(name))
            system.start.append(self.initial_state(name))
        system.derived_start = [self.initial_value(name) for name in system.derived]
        system.default_outputs = [name for name in self.assignments if name in self.elements]
        system.triggers = [self._trigger(e) for e in self.events]

    # meaning of symbols, now and at the start
    def symbol(self, name: str) -> int:
        """The node of an identifier at any time."""
        return self._memo(self._now, name, self._symbol)

    def initial_value(self, name: str) -> int:
        """The node of an identifier at time 0, in terms of parameters only."""
        return self._memo(self._at_start, name, self._initial_symbol)

    def _memo(self, known: dict[str, int | None], name: str, compute: Any) -> int:
        if name not in known:
            known[name] = None
            known[name] = compute(name)
        found = known[name]
        if found is None:
            circle = [n for n, node in known.items() if node is None]
            raise UnsupportedSbmlError(
                f"algebraic loop: {' -> '.join([*circle[circle.index(name) :], name])} define one another "
                f"({self._where(name)}); make one of them a state"
            )
        return found

    def _where(self, name: str) -> str:
        for group in (self.assignments, self.rate_rules, self.initial, self.reactions, self.elements):
            if name in group:
                return f"line {group[name].getLine()}"
        return "no line"

    def _symbol(self, name: str) -> int:
        g = self.graph
        if name in self._unit_volumes:
            return g.one
        if name in self.assignments:
            rule = self.assignments[name]
            return self.now.number(
                rule.getMath(), {}, f"the assignment rule of `{name}` (line {rule.getLine()})"
            )
        if name in self.state_index:
            return self._per_volume(g.state(self.state_index[name]), name, self.symbol)
        if name in self.slots:
            return g.parameter(self.slots[name])
        if name in self.reactions:
            return self._flux(name, self.now)
        raise self._unknown(name)

    def _initial_symbol(self, name: str) -> int:
        g = self.graph
        if name in self._unit_volumes:
            return g.one
        if name in self.initial:
            rule = self.initial[name]
            return self.then.number(
                rule.getMath(), {}, f"the initial assignment of `{name}` (line {rule.getLine()})"
            )
        if name in self.assignments:
            rule = self.assignments[name]
            return self.then.number(
                rule.getMath(), {}, f"the assignment rule of `{name}` (line {rule.getLine()})"
            )
        if name in self.state_index or name in self.system.derived:
            return self._initial_declared(name)
        if name in self.slots:
            return g.parameter(self.slots[name])
        if name in self.reactions:
            return self._flux(name, self.then)
        raise self._unknown(name)

    def _initial_declared(self, name: str) -> int:
        """The value at time 0 of something without an initial assignment, in the meaning of its symbol."""
        g = self.graph
        if name in self.references:
            return g.num(self.references[name].getStoichiometry())
        e = self.elements[name]
        if not isinstance(e, libsbml.Species):
            return g.num(self._declared(name))  # type: ignore[arg-type]
        volume = self.initial_value(e.getCompartment())
        if e.isSetInitialAmount():
            amount = g.num(e.getInitialAmount())
            return amount if e.getHasOnlySubstanceUnits() else g.div(amount, volume)
        value = g.num(e.getInitialConcentration() if e.isSetInitialConcentration() else math.nan)
        return g.mul(value, volume) if e.getHasOnlySubstanceUnits() else value

    def _per_volume(self, amount: int, name: str, symbol: Any) -> int:
        if name not in self._amounts or self.elements[name].getHasOnlySubstanceUnits():
            return amount
        return self.graph.div(amount, symbol(self.elements[name].getCompartment()))

    def initial_state(self, name: str) -> int:
        """The start value of a state as it is integrated."""
        value = self.initial_value(name)
        if name not in self._amounts or self.elements[name].getHasOnlySubstanceUnits():
            return value
        e = self.elements[name]
        if name not in self.initial and e.isSetInitialAmount():
            return self.graph.num(e.getInitialAmount())
        return self.graph.mul(value, self.initial_value(e.getCompartment()))

    # rates
    def _flux(self, name: str, translator: Translator) -> int:
        law, g = self.reactions[name].getKineticLaw(), self.graph
        local = {
            key.split(".", 1)[1]: g.parameter(slot)
            for key, slot in self.slots.items()
            if key.startswith(f"{name}.")
        }
        where = f"the kinetic law of `{name}` (line {law.getLine()})"
        return translator.number(law.getMath(), local, where)

    def rate(self, name: str, translator: Translator | None = None) -> int:
        """The time derivative of a state as it is integrated, now or by another ``translator``."""
        t = translator or self.now
        if name in self.rate_rules:
            rule = self.rate_rules[name]
            return t.number(rule.getMath(), {}, f"the rate rule of `{name}` (line {rule.getLine()})")
        g, terms = self.graph, []
        if name not in self._reacting:
            return g.zero
        for reaction in self.reactions.values():
            for sign, group in (
                (g.minus_one, reaction.getListOfReactants()),
                (g.one, reaction.getListOfProducts()),
            ):
                terms += [
                    g.mul(g.mul(sign, self._stoichiometry(s, t)), t.symbol(reaction.getId()))
                    for s in group
                    if s.getSpecies() == name
                ]
        e = self.elements[name]
        factor = (e.isSetConversionFactor() and e.getConversionFactor()) or self.model.getConversionFactor()
        total = g.total(terms)
        return g.mul(t.symbol(factor), total) if factor else total

    def _stoichiometry(self, reference: Any, translator: Translator) -> int:
        if reference.isSetStoichiometryMath():
            where = f"the stoichiometry of `{reference.getSpecies()}` (line {reference.getLine()})"
            return translator.number(reference.getStoichiometryMath().getMath(), {}, where)
        name = reference.getId()
        if name and (name in self.assignments or name in self.slots or name in self.state_index):
            return translator.symbol(name)
        value = reference.getStoichiometry() if reference.isSetStoichiometry() else 1.0
        return self.graph.num(value / reference.getDenominator() if reference.getLevel() == 1 else value)

    def rate_of(self, name: str) -> int:
        """What ``rateOf(name)`` means: the derivative of the symbol (0 for what does not change)."""
        return self._memo(self._rates[0], name, lambda n: self._rate_of(n, self.now))

    def rate_of_at_start(self, name: str) -> int:
        """The same at time 0, in terms of parameters only."""
        return self._memo(self._rates[1], name, lambda n: self._rate_of(n, self.then))

    def _rate_of(self, name: str, t: Translator) -> int:
        if name in self.assignments:
            raise UnsupportedSbmlError(f"rateOf(`{name}`) of an assigned variable is not defined in SBML")
        if name not in self.state_index:
            return self.graph.zero
        rate = self.rate(name, t)
        if name not in self._amounts or self.elements[name].getHasOnlySubstanceUnits():
            return rate
        g, home = self.graph, self.elements[name].getCompartment()
        if home in self.rate_rules:  # of an amount in a volume that changes too
            rate = g.sub(rate, g.mul(t.symbol(name), t.rate(home)))
        elif home in self.assignments:
            raise UnsupportedSbmlError(
                f"rateOf(`{name}`): its compartment `{home}` follows an assignment rule "
                f"({self._where(home)}); write the derivative out"
            )
        return g.div(rate, t.symbol(home))

    # events
    def _trigger(self, event: Any) -> Trigger:
        where = f"event `{event.getId() or event.getName() or '?'}` (line {event.getLine()})"
        trigger = event.getTrigger()
        assigned = self._concentrations(event, where)
        for a in event.getListOfEventAssignments():
            name, math_ = a.getVariable(), a.getMath()
            if math_ is None or ("state", self.state_index.get(name)) in {a[:2] for a in assigned}:
                continue
            node = self.now.number(math_, {}, where)
            if name in self.state_index:
                if name in self._amounts and not self.elements[name].getHasOnlySubstanceUnits():
                    node = self.graph.mul(node, self.symbol(self.elements[name].getCompartment()))
                assigned.append(("state", self.state_index[name], node))
            elif name in self.slots:
                assigned.append(("par", self.slots[name], node))
            else:
                raise UnsupportedSbmlError(
                    f"{where} assigns `{name}`, which is neither a state nor a parameter"
                )
        delay, priority = _said(event.getDelay()), _said(event.getPriority())
        level3 = self.document.getLevel() >= LEVEL_3
        return Trigger(
            name=event.getId() or f"event at line {event.getLine()}",
            condition=self.now.truth(trigger.getMath(), {}, where),
            delay=self.now.number(delay.getMath(), {}, where) if delay is not None else None,
            priority=self.now.number(priority.getMath(), {}, where) if priority is not None else None,
            assigned=assigned,
            initially=trigger.getInitialValue() if level3 else True,
            persistent=trigger.getPersistent() if level3 else True,
            values_at_trigger=event.getUseValuesFromTriggerTime(),
        )

    def _concentrations(self, event: Any, where: str) -> list[tuple[str, int, int]]:
        """What an event that sets a volume does to concentrations with a rate rule: the amount stays.

        A concentration that the same event sets is one in the volume before it.
        """
        g, found = self.graph, []
        new = {a.getVariable(): a.getMath() for a in event.getListOfEventAssignments()}
        for name in self.rate_rules:
            e = self.elements.get(name)
            if not isinstance(e, libsbml.Species) or e.getHasOnlySubstanceUnits():
                continue
            if new.get(e.getCompartment()) is not None:
                volume = self.now.number(new[e.getCompartment()], {}, where)
                formula = new.get(name)
                value = self.symbol(name) if formula is None else self.now.number(formula, {}, where)
                amount = g.mul(value, self.symbol(e.getCompartment()))
                found.append(("state", self.state_index[name], g.div(amount, volume)))
        return found

    def _unknown(self, name: str) -> ModelError:
        near = nearest(name, [*self.elements, *self.reactions])
        return ModelError(
            Problem(
                f"`{name}` is not defined in the model",
                file="SBML",
                field=name,
                remedy=f"did you mean `{near}`?" if near else "define it or ask for another name",
            )
        )

    def set_outputs(self, names: list[str]) -> None:
        """Translate the outputs asked for.

        Raises:
            ModelError: unknown names, all at once.
        """
        problems: list[Problem] = []
        outputs: dict[str, int] = {}
        for name in names:
            try:
                outputs[name] = self.symbol(name)
            except ModelError as error:
                problems += error.problems
        if problems:
            raise ModelError(problems)
        self.system.outputs = outputs


def _said(part: Any) -> Any:
    """A delay or priority that has mathematics; without, it says nothing (L3V2)."""
    return part if part is not None and part.getMath() is not None else None
