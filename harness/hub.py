"""Whether the model hub can be reached, known within seconds."""

from __future__ import annotations

import functools
import os
import queue
import threading

SECONDS_TO_ANSWER = 4.0
"""How long the hub has to answer before the network counts as absent."""


@functools.cache
def answers() -> bool:
    """Whether the hub answers; False at once where the environment says that it is off."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return False
    found: queue.SimpleQueue[bool] = queue.SimpleQueue()
    # httpx's time limit does not cover the look-up of names, and starts again for every address.
    threading.Thread(target=lambda: found.put(_ask()), daemon=True).start()
    try:
        return found.get(timeout=SECONDS_TO_ANSWER)
    except queue.Empty:
        return False


def _ask() -> bool:
    import httpx
    from huggingface_hub import constants

    try:
        httpx.head(constants.ENDPOINT, timeout=SECONDS_TO_ANSWER)
    except (httpx.HTTPError, OSError):
        return False
    return True


def cache_folder() -> str:
    """Where the hub's models lie on this machine, for a message."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return "the hub cache"
    return str(constants.HF_HUB_CACHE)
