"""The ``opiome`` command and what becomes of its errors: one paragraph each, never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from opiome import __version__
from opiome.errors import InputError, OpiomeError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]

INPUT_ERROR = 2
UNEXPECTED = 70
INTERRUPTED = 130
MOST_TOLD = 50
_WORDS = {"a valid integer": "a whole number", "a valid float": "a number", " number range": " number"}
"""What click calls things, in everybody's words."""
_COMMANDS = {
    "run": ("_run", "run", "Simulate a study and write its report."),
    "knockout": ("_knockout", "knockout", "Rank the arrows of the map that a study hinges on."),
    "design": ("_design", "design", "Compare candidate designs: power, assurance, errors."),
    "validate": ("_validate", "validate", "Run the library of published trials beside their results."),
    "lint": ("_studies", "lint", "Check a study file."),
    "studies": ("_studies", "studies", "List the studies that come with opiome."),
    "profile": ("_profile", "profile", "Turn stool profiles into virtual patients and a report."),
    "model": ("_model", "model", "Look at the model: its tables, its problems, its names."),
    "export": ("_export", "export", "Write the model or a study for another program."),
}


class _Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        del ctx
        if name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[name]
        command = getattr(import_module(f"opiome.cli.{module}"), attribute)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = nearest(args[0], _COMMANDS)
            hint = f" Did you mean '{near}'?" if near else ""
            raise click.UsageError(
                f"there is no command '{args[0]}'; expected {', '.join(_COMMANDS)}.{hint}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opiome")
def _opiome() -> None:
    """Simulate opioids, the gut, its bacteria and the brain in people with cancer pain.

    A research tool, never advice for a patient. Start with: opiome run compose-4
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done, 1 the simulation could not go on, 2 something given is wrong, 70 an error of opiome itself,
    130 interrupted.
    """
    try:
        result = _opiome.main(args=arguments, prog_name="opiome", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the last line of defence: no traceback
        return _ended(error)
    return result if isinstance(result, int) else 0


def _ended(error: BaseException) -> int:
    """Say what became of the command and return its exit code."""
    for kind, say in _ENDINGS:
        if isinstance(error, kind):
            return say(error)
    return _say(_unexpected(error), UNEXPECTED)


def _usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return INPUT_ERROR
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context else "opiome"
    message = error.format_message()
    for word, said in _WORDS.items():
        message = message.replace(word, said)
    return _say(f"{_sentence(message)} See '{where} --help'", INPUT_ERROR)


def _input(error: InputError) -> int:
    for problem in error.problems[:MOST_TOLD]:
        _say(str(problem), INPUT_ERROR)
    if len(error.problems) > MOST_TOLD:
        _say(f"and {len(error.problems) - MOST_TOLD} more problems", INPUT_ERROR)
    return error.exit_code


def _closed(_error: BrokenPipeError) -> int:
    """The reader of a pipe left (``opiome ... | head``): keep Python from complaining at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _system(error: OSError) -> int:
    place = f"{error.filename}: " if error.filename else ""
    return _say(f"{place}{error.strerror or error}", 1)


def _say(message: str, code: int) -> int:
    click.echo(f"opiome: {_sentence(' '.join(message.split()))}", err=True)
    return code


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "?", "!", "'")) else f"{text}."


def _unexpected(error: BaseException) -> str:
    """What went wrong and where in opiome, for a report to its developers."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if "opiome" in f.filename.replace("\\", "/")
    ]
    where = ""
    if frames:
        last = frames[-1]
        module = last.filename.replace("\\", "/").rpartition("opiome/")[2]
        where = f" at opiome/{module}:{last.lineno} in {last.name}"
    text = str(error).splitlines()[0] if str(error) else "no message"
    return (
        f"an error inside opiome {__version__}{where}: {type(error).__name__}: {text}. A fault of opiome,"
        " not of your input; please report this line with the command and the study file to the issue tracker"
        " named in CONTRIBUTING.md"
    )


_NO_MEMORY = "not enough memory; run fewer patients (--patients) or fewer threads (--threads)"
_ENDINGS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[[Any], int]], ...] = (
    (click.exceptions.Exit, lambda error: int(error.exit_code)),
    ((click.Abort, KeyboardInterrupt), lambda _: _say("stopped; nothing more was written", INTERRUPTED)),
    (click.ClickException, _usage),
    (InputError, _input),
    (OpiomeError, lambda error: _say(str(error), error.exit_code)),
    (BrokenPipeError, _closed),
    (OSError, _system),
    (MemoryError, lambda _: _say(_NO_MEMORY, 1)),
)
