"""What several commands of `tdc package` ask for."""

from typing import Annotated

import typer

At = Annotated[
    str | None, typer.Option("--at", help="Directory or s3:// URL that holds the packages; default: beside the tables.")
]
Reference = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="A package; its latest version where none is named.")
]
