"""What lies in memory because making it again takes long: models, and documents prepared with them."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MODELS_KEPT = 2
"""How many models stay in memory when nobody asks for more: a retriever's and a reranker's."""


@dataclass
class Watch:
    """Sees what is asked for, and weighs what is made."""

    used: Callable[[], float]
    """Bytes in use now."""
    sizes: dict[Hashable, float] = field(default_factory=dict)
    """By key how many bytes more were in use after it was made, when it was last."""
    asked: set[Hashable] = field(default_factory=set)
    """The keys of what was asked for."""
    _counted: float = 0.0

    def weighed(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives; what is made inside that counts for itself."""
        before, counted = self.used(), self._counted
        made = make()
        size = max(self.used() - before - (self._counted - counted), 0.0)
        self.sizes[key] = size
        self._counted += size
        return made


@dataclass
class _Shelf:
    """What is in memory, what was used last at the end."""

    capacity: float = MODELS_KEPT
    things: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)
    watch: Watch | None = None

    def shrink(self, count: float) -> None:
        while len(self.things) > count:
            self.drop([next(iter(self.things))])

    def drop(self, keys: Collection[Hashable]) -> None:
        """Let go, and give the memory back: models refer to themselves in circles."""
        for key in keys:
            del self.things[key]
        if keys:
            gc.collect()
            _trim()


_SHELF = _Shelf()


def loaded(key: Hashable, make: Callable[[], Any]) -> Any:
    """The model under `key`, made if it is not in memory; the one unused for longest gives way.

    A key holds all that the model depends on, and nothing else, so that components that differ
    in other settings share it.
    """
    watch = _SHELF.watch
    if watch:
        watch.asked.add(key)
    if key not in _SHELF.things:
        _SHELF.shrink(_SHELF.capacity - 1)
        _SHELF.things[key] = watch.weighed(key, make) if watch else make()
    _SHELF.things.move_to_end(key)
    return _SHELF.things[key]


@contextmanager
def keep(count: float) -> Iterator[None]:
    """Keep up to `count` models in memory within this block; never fewer than before it."""
    before = _SHELF.capacity
    _SHELF.capacity = max(before, count)
    try:
        yield
    finally:
        _SHELF.capacity = before
        _SHELF.shrink(before)


@contextmanager
def watched(used: Callable[[], float]) -> Iterator[Watch]:
    """A watch over what is asked for and made within this block."""
    before, _SHELF.watch = _SHELF.watch, Watch(used)
    try:
        yield _SHELF.watch
    finally:
        _SHELF.watch = before


def only(keys: Collection[Hashable]) -> None:
    """Let go of all but what is under these keys."""
    _SHELF.drop([key for key in _SHELF.things if key not in keys])


def missing(keys: Collection[Hashable]) -> list[Hashable]:
    """Those of the keys under which nothing is in memory."""
    return [key for key in keys if key not in _SHELF.things]


def forget() -> None:
    """Let go of everything in memory."""
    only(())


def _trim() -> None:
    """Have glibc give pages back that hold nothing any more: 0.5 GB after a model of 2.3 GB."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # other C libraries have none
            trim(0)
