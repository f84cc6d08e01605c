"""Everything that can go wrong, as a tree; the message is a paragraph or a list for the person at the terminal.

    HarnessError
    |-- InputError          mend it and run again (exit 2)
    |   |-- ConfigError     the experiment file
    |   |-- DataError       a dataset: missing, malformed, or not fitting the experiment
    |   |-- ModelError      a model: absent, damaged, or with parts that were never trained
    |   |-- PackageError    a Python package that a component needs
    |   `-- ServerError     a server: not there, not ready, or not the one that was meant
    |-- ComponentError      a component broke its contract; its trial failed, the others go on (exit 3)
    |   |-- BusyError       a server that is there would not answer now: too busy, or not ready
    |   `-- TextError       a server would not take some of the texts that it was sent
    `-- StoreError          results or caches could not be written or read (exit 3)

A message says what is wrong, where, and the way out.
"""

from __future__ import annotations

from collections.abc import Sequence


class HarnessError(Exception):
    """The root: catching it catches everything this package raises on purpose."""


class InputError(HarnessError):
    """The user must mend something before the work can start."""


class ConfigError(InputError):
    """The experiment file is wrong; the message lists every fault in it."""


class DataError(InputError):
    """A dataset is missing, malformed, or does not fit the experiment."""


class ModelError(InputError):
    """A model is absent, damaged, or has parts that were never trained."""


class PackageError(InputError):
    """A package that a component needs is not installed."""


class ServerError(InputError):
    """A server is not there, not ready, refuses, or serves something else than was asked for."""


class ComponentError(HarnessError):
    """A component returned something that its protocol does not allow."""


class TextError(ComponentError):
    """A server would not take what it was sent, and some of the texts are to blame."""

    def __init__(self, message: str, texts: Sequence[str]) -> None:
        """`texts` are those to blame."""
        super().__init__(message)
        self.texts = texts


class BusyError(ComponentError):
    """A server that is there would not answer now, however often it was asked."""


class StoreError(HarnessError):
    """Results or caches could not be written or read."""


def reason(error: BaseException) -> str:
    """What `error` says, on one line; one that was not foreseen by its name, too."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return text if isinstance(error, HarnessError) else f"{name}: {text}" if text else name
