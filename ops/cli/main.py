"""`tdc`: the command line of the Training Data Collector."""

import errno
import io
import sys

import typer

from ops.cli import bench, data, letters, packages, pipeline, policy, stack
from ops.cli.output import err
from schemas.errors import TdcError, TransientError, UsageError

app = typer.Typer(
    name="tdc",
    help="Turns the runs of LLM agents into training data: collect, assemble, redact, curate, store.\n\n"
    "Start with [bold]tdc demo[/bold], or [bold]tdc up[/bold], [bold]tdc import[/bold], "
    "[bold]tdc run --until-idle[/bold] and [bold]tdc query[/bold].\n\n"
    "Settings come from TDC_* variables and tdc.toml; see the README.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
stack.register(app)
pipeline.register(app)
bench.register(app)
data.register(app)
letters.register(app)
packages.register(app)
policy.register(app)


def main() -> None:
    """Run `tdc`. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no such sign shows its number
    try:
        app()
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(130)
    except UsageError as error:
        err.print(f"[red]error:[/red] {_plain(error)}")
        sys.exit(2)
    except TransientError as error:
        err.print(f"[red]error:[/red] {_plain(error)}")
        err.print("is everything running? `tdc up` starts the local stack")
        sys.exit(1)
    except TdcError as error:
        err.print(f"[red]error:[/red] {_plain(error)}")
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        err.print(f"[red]error:[/red] {_plain(error)}")
        sys.exit(1)


def _plain(error: Exception) -> str:
    return str(error).replace("[", r"\[")


if __name__ == "__main__":
    main()
