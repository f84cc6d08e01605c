"""The models that are not on this machine: all in one message, with their sizes and the ways out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.components.models import hub
from harness.components.models.catalogue import download_bytes, size_text
from harness.errors import ModelError

DUMMY_RUN = (
    "`python -m harness run FILE --weights dummy` (true architectures, random weights: time, memory "
    "and bytes are real, quality is not measured)"
)


class AbsentError(ModelError):
    """Hub models that are not here and cannot be downloaded now."""

    def __init__(self, models: Mapping[str, str]) -> None:
        """`models` has by reference, perhaps with an ONNX file, what wants it."""
        self.models = models
        super().__init__(_message(models))


def _message(models: Mapping[str, str]) -> str:
    sizes = [None if ", " in name else download_bytes(name) for name in models]  # of torch weights
    known = [size for size in sizes if size is not None]
    several = len(models) > 1
    head = f"{len(models)} models are" if several else "A model is"
    why = "the network is off" if hub.is_off() else "the hub cannot be reached"
    lines = [f"{head} not on this machine, and {why}:"]
    for (name, wanted_by), size in zip(models.items(), sizes, strict=True):
        lines.append(f"  {name} ({size_text(size)}), wanted by {wanted_by}")
    if several and known:
        unknown = f" and {len(sizes) - len(known)} of unknown size" if None in sizes else ""
        lines.append(f"  together {size_text(sum(known))}{unknown}")
    return "\n".join([*lines, "Ways out:", *(f"- {way}" for way in _ways_out())])


def _ways_out() -> Iterator[str]:
    get = "`python -m harness fetch FILE`"
    if hub.is_off():
        yield f"with a network: {get} (HF_HUB_OFFLINE=0 lets every command download)"
    yield f"on a connected machine: {get}, then copy its hub cache to {hub.cache_folder()} here"
    yield f"without a download: {DUMMY_RUN}"
    yield "name a local folder as the model"
