"""The `hubbub` program: finds the verb, runs it, and turns every failure into one sentence and an exit code.

Exit codes: 0 done, 1 the work failed or found errors, 2 could not start (usage, configuration, port, lock).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from hub.cli.program import program


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(execute(arguments))


def execute(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.  HUBBUB_DEBUG=1 shows where an error came from."""
    import click

    try:
        result = program.main(arguments, prog_name="hubbub", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        # Whoever read our output has left; Python must not complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _explain(error)
    return result if isinstance(result, int) else 0


def _explain(error: BaseException) -> int:
    from runtime.errors import CannotStart, HubbubError

    if os.environ.get("HUBBUB_DEBUG"):
        import traceback

        traceback.print_exception(error)
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, BrokenPipeError):
        return 1
    if isinstance(error, HubbubError):
        print(error, file=sys.stderr)
        return 2 if isinstance(error, CannotStart) else 1
    kind, text = type(error).__name__, " ".join(str(error).split()) or "without a word"
    print(
        f"Hubbub failed in an unforeseen way ({kind}: {text}); set HUBBUB_DEBUG=1 to see where.",
        file=sys.stderr,
    )
    return 1
