"""The ends and births of processes: flush at exit and on SIGTERM, a fresh start in forked children."""

import atexit
import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

from training_data_producer._current import reseed

if TYPE_CHECKING:
    from training_data_producer.producer import Producer

_producers: "list[Producer]" = []
_FORK_WAIT_SECONDS = 0.5
_previous: Any = None
"""SIGTERM's handler before ours: whatever `signal.signal` gave."""


def watch(producer: "Producer", *, handle_sigterm: bool) -> None:
    """Look after a producer from now on."""
    _producers.append(producer)
    if handle_sigterm:
        _install()


def unwatch(producer: "Producer") -> None:
    """It is closed."""
    if producer in _producers:
        _producers.remove(producer)


def _install() -> None:
    global _previous
    if threading.current_thread() is not threading.main_thread():
        return  # Python lets only the main thread set handlers
    held = signal.getsignal(signal.SIGTERM)
    if held in (None, signal.SIG_IGN, _on_sigterm):
        return  # set outside of Python, or the process does not end by it, or ours already
    _previous = held
    signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    for producer in list(_producers):
        producer._save()
    if callable(_previous):
        _previous(number, frame)
    elif _previous == signal.SIG_DFL:
        # End as the process would have ended without us, so that its parent sees the signal.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _at_exit() -> None:
    for producer in list(_producers):
        producer.close()


def _before_fork() -> None:
    for producer in list(_producers):
        producer._before_fork(_FORK_WAIT_SECONDS)


def _in_parent() -> None:
    for producer in list(_producers):
        producer._after_fork_in_parent()


def _in_child() -> None:
    reseed()
    for producer in list(_producers):
        producer._after_fork_in_child()


atexit.register(_at_exit)
os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
