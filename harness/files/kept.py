"""Folders below the cache that are made once, for every run that needs what is in them.

CACHE/KIND/KEY/
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.files import digests, disk, temporary


def folder(kind: str, key: str, fill: Callable[[Path], object]) -> Path:
    """The folder of a key, which says what is in it; `fill` makes that where it is not yet there.

    What is there is checked, and made again where it is damaged. Where no cache is known the folder
    goes with this process. Raises StoreError if it cannot be read or written.
    """
    cache = temporary.cache()
    place = cache / kind / key if cache else temporary.folder() / key
    if place.exists():
        try:
            digests.check(place)
        except digests.DamagedError as fault:
            digests.set_aside(place, fault)
    if not place.exists():
        with disk.new_folder(place) as aside:
            fill(aside)
            digests.seal(aside)
    return place
