"""Formats of a package: a container (how rows stand in a file) and a shape (what a row says).

A new container or shape is one module, one line in `catalogue`, and one golden file in the tests; a shape also says in
`conformance` what its reader takes.
"""

from sinks.packages.formats.base import FormatWriter
from sinks.packages.formats.catalogue import FORMATS, Format, format_named
from sinks.packages.formats.conformance import misfits
from sinks.packages.formats.listings import HuggingfaceConfig, huggingface_configs, llamafactory_dataset_info
from sinks.packages.formats.reading import count_rows, read_rows
from sinks.packages.formats.writer import TRAINING_TYPE, open_writer

__all__ = [
    "FORMATS",
    "TRAINING_TYPE",
    "Format",
    "FormatWriter",
    "HuggingfaceConfig",
    "count_rows",
    "format_named",
    "huggingface_configs",
    "llamafactory_dataset_info",
    "misfits",
    "open_writer",
    "read_rows",
]
