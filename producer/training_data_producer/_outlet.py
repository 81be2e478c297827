"""The way out of this process, through its ends and births: flush at exit and on SIGTERM, a fresh start in forked
children."""

import atexit
import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

from training_data_producer._ids import reseed
from training_data_producer._pipeline import Pipeline
from training_data_producer._settings import Settings
from training_data_producer._values import Values

_LOG = logging.getLogger("training_data_producer")
_FORK_WAIT_SECONDS = 0.5
_previous: Any = None
"""SIGTERM's handler before ours: whatever `signal.signal` gave."""


class Outlet:
    """The pipeline of this process, whichever process this is: a forked child has one of its own."""

    def __init__(self, settings: Settings, *, handle_sigterm: bool) -> None:
        self._settings = settings
        self.values = Values()
        self.pipeline = Pipeline(settings, self.values)
        _outlets.append(self)
        if handle_sigterm:
            _install()

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """As `Pipeline.flush`; waits `Settings.flush_seconds` at most unless told otherwise."""
        return self.pipeline.flush(self._seconds(timeout_seconds))

    def save(self) -> None:
        """As `Pipeline.save`."""
        self.pipeline.save(self._settings.flush_seconds)

    def close(self, timeout_seconds: float | None = None) -> None:
        """As `Pipeline.close`; from then on nothing is done for it at exit."""
        self.pipeline.close(self._seconds(timeout_seconds))
        if self in _outlets:
            _outlets.remove(self)

    def start_anew(self) -> None:
        """In a forked child: leave everything to the parent and begin with nothing."""
        self.pipeline.forget()
        self.values.repaired = 0
        self.pipeline = Pipeline(self._settings, self.values)

    def _seconds(self, timeout_seconds: float | None) -> float:
        return self._settings.flush_seconds if timeout_seconds is None else timeout_seconds


_outlets: list[Outlet] = []


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
    for outlet in list(_outlets):
        outlet.save()
    if callable(_previous):
        _previous(number, frame)
    elif _previous == signal.SIG_DFL:
        # End as the process would have ended without us, so that its parent sees the signal.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _at_exit() -> None:
    for outlet in list(_outlets):
        try:
            outlet.close()
        except Exception as error:  # the next one has events to save, too
            _LOG.error("a producer could not be closed (%s)", type(error).__name__)


def _before_fork() -> None:
    for outlet in list(_outlets):
        outlet.pipeline.before_fork(_FORK_WAIT_SECONDS)


def _in_parent() -> None:
    for outlet in list(_outlets):
        outlet.pipeline.after_fork()


def _in_child() -> None:
    reseed()
    for outlet in list(_outlets):
        outlet.start_anew()


atexit.register(_at_exit)
os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
