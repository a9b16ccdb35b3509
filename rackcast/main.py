"""The command `rackcast`: its sub-commands, and what each kind of ending means to the shell.

Commands are loaded when they are called, so that ``rackcast --help`` stays fast. This file does not know what a
command does.
"""

import os
import sys
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from blueprints.errors import DeviceError, InputRejectedError
from rackcast import __version__
from rackcast.bulk import bulk, end_at_once
from rackcast.exits import Exit
from rackcast.interrupts import terminable
from rackcast.saying import say, say_rejected, say_unexpected

COMMANDS: dict[str, str] = {
    "collect": "Read datastore and switches into a snapshot.",
    "plan": "Plan a snapshot: write the blueprint.",
    "show": "Read a blueprint.",
    "explain": "Say why an entry of a blueprint is there, or why it is not.",
    "check": "Ask a blueprint for broken rules, and show its findings.",
    "diff": "Compare two blueprints, or a blueprint with the rack.",
    "observe": "Write down what the rack holds now.",
    "execute": "Carry a blueprint out.",
    "commit-transitions": "Tell the datastore what is in effect.",
    "target": "See or say which blueprint a rack shall hold now.",
    "sim": "Run a simulated rack.",
    "demo": "See everything at work on a simulated rack.",
}
"""Name and purpose; the command itself is ``rackcast.commands.<name>.<name>``, a dash being an underscore there."""


class _ReaderGoneError(Exception):
    """Whoever read standard output stopped reading."""


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click, which is around this, would end with 1 for a pipe that nobody reads."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ReaderGoneError from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        if name not in COMMANDS:
            return None
        python_name = name.replace("-", "_")
        with bulk():
            command: click.Command = getattr(import_module(f"rackcast.commands.{python_name}"), python_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rackcast")
def rackcast() -> None:
    """Plan the multicast of a rack as a blueprint, review it, and carry it out.

    \b
    rack ──collect──▶ snapshot ──plan──▶ blueprint ──show, check, diff──▶ you ──execute──▶ rack

    Files may be .json or .yaml, either with .gz; - is standard input and output.

    \b
    Exit codes: 0 done, nothing differs    1 our bug             2 wrong usage
                3 differences              4 partial: work owed  5 consent needed
                6 a newer blueprint leads  7 input refused       130 interrupted
    """  # noqa: D301 (the command line reads the escapes as "do not wrap")


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and end the process with one of the exit codes."""
    _mend_streams()
    end_at_once()
    sys.excepthook = say_unexpected
    try:
        with terminable():
            code = rackcast.main(arguments, standalone_mode=False)
            sys.stdout.flush()
        sys.exit(code)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except (click.Abort, KeyboardInterrupt):
        say("interrupted", error=True)
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as error:
        with suppress(OSError):  # as with `say`
            error.show()
        sys.exit(Exit.USAGE)
    except InputRejectedError as error:
        say_rejected(error)
        sys.exit(Exit.REFUSED)
    except DeviceError as error:
        say(f"no answer to trust: {error}", error=True)
        sys.exit(Exit.PARTIAL)
    except (BrokenPipeError, _ReaderGoneError):
        # Whoever read us has enough; what Python still holds goes nowhere instead of into an error at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.PIPE_CLOSED)
    except OSError as error:
        where = f" {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes) else ""
        say(f"cannot write or read{where}: {error.strerror or error}", error=True)
        sys.exit(Exit.REFUSED)


def _mend_streams() -> None:
    """Make sure that text for people can always be printed: without streams into nothing, else with escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (until the end)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
