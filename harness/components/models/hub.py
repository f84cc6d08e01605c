"""The network: whether it may be used, and whether the model hub can be reached, known within seconds.

Nothing but `fetch` asks the network for anything that the experiment does not name by address.
HF_HUB_OFFLINE, which libraries read when they are imported, says so to all of them: 1 keeps `fetch`
off it, too, and with 0 every command downloads what is missing.
"""

from __future__ import annotations

import functools
import os
import queue
import threading

SECONDS_TO_ANSWER = 4.0
"""How long the hub has to answer before the network counts as absent."""

SETTINGS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Libraries send no statistics, and start no threads before they are forked."""


def tell_libraries(*, online: bool) -> None:
    """Tell libraries, before they are imported, whether they may use the network.

    What the user, or an earlier call, said holds.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("HF_HUB_OFFLINE", "0" if online else "1")
    if is_off():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def is_off() -> bool:
    """Whether the environment says that nothing may be downloaded."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")


@functools.cache
def answers() -> bool:
    """Whether the hub answers; False at once where the environment says that it is off."""
    if is_off():
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
