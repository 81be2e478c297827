"""The local stack without Docker: Kafka, schema registry, Redis and S3 as processes of this machine.

Settings come in as arguments; nothing here reads `TDC_*` variables. State lives under one home directory,
downloads under a cache directory that all stacks of a user share.
"""

from ops.stack.errors import PartFailedError, PortTakenError, StackError, UnavailableError
from ops.stack.lifecycle import PART_NAMES, down, endpoints, restart, start_part, status, stop_part, up
from ops.stack.model import Endpoints, PartStatus, Ports, Progress, Stack, default_cache, silent

__all__ = [
    "PART_NAMES",
    "Endpoints",
    "PartFailedError",
    "PartStatus",
    "PortTakenError",
    "Ports",
    "Progress",
    "Stack",
    "StackError",
    "UnavailableError",
    "default_cache",
    "down",
    "endpoints",
    "restart",
    "silent",
    "start_part",
    "status",
    "stop_part",
    "up",
]
