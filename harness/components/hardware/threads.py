"""How many threads libraries may use, and what the processor multiplies fast."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from harness.components.hardware.limits import usable_cores

_PINNED: list[int] = []
"""To how many threads libraries are limited now, the innermost limit last."""


@contextlib.contextmanager
def pinned(threads: int | None) -> Iterator[int]:
    """Every library limited to `threads` (None: one a core that this process may use).

    Gives the number, and sets what was before on leaving.
    """
    import torch
    from threadpoolctl import threadpool_limits

    wanted = threads or usable_cores()
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    _PINNED.append(wanted)
    with threadpool_limits(limits=wanted):
        try:
            yield wanted
        finally:
            _PINNED.pop()
            torch.set_num_threads(before)


def threads_now() -> int:
    """How many all libraries have now: for one that wants the number when it loads a model."""
    return _PINNED[-1] if _PINNED else usable_cores()


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16: AVX-512 BF16 or AMX."""
    import torch

    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))
