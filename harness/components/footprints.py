"""What a searcher or a prepared reranker stores, counted where it can be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.components.abilities import Footprint, Stores
from harness.files import temporary
from harness.files.disk import disk_bytes

log = logging.getLogger(__name__)


def written_bytes(save: Callable[[Path], object]) -> int | None:
    """Bytes of the files that `save` writes to a folder, which goes again; None without room."""
    try:
        with temporary.passing() as folder:
            save(folder)
            return disk_bytes(folder)
    except OSError:
        log.debug("An index was not written", exc_info=True)
        return None


def stored_by(holder: Any) -> list[Footprint]:
    """What a searcher or prepared reranker stores; one that does not say is not known."""
    if isinstance(holder, Stores):
        return list(holder.footprints())
    return [Footprint.not_known(f"{type(holder).__name__} does not say what it stores")]
