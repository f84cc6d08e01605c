"""Which processor and which accelerators are here."""

from __future__ import annotations

from pathlib import Path

INSTRUCTIONS = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "bf16", "sve"),
)
"""What of a processor's instructions decides the speed of int8 and bfloat16, and whether sums of
int8 products saturate; as Linux names them on x86 and ARM."""


def instructions(info: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Those of INSTRUCTIONS that the processor has; empty where the system does not say."""
    lines = info.read_text().splitlines() if info.exists() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    there = set(flags.partition(":")[2].split())
    return [name for name in INSTRUCTIONS if name in there]


def accelerator(device: str) -> str:
    """What a device is called here; empty where there is none."""
    if device == "cpu" or unavailable(device):
        return ""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else device


def unavailable(device: str) -> str:
    """Why nothing can be measured on a device; empty if it is there."""
    if device == "cpu":
        return ""
    import torch

    there = torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
    return "" if there else f"no {'CUDA' if device == 'cuda' else 'MPS'} device"
