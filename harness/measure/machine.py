"""The machine while it is measured: its memory, and what else goes on in it."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from harness.components.hardware import limits
from harness.components.timing import nothing

SPIN_SIZE = 512
SPINS = 20
"""A fixed computation of some hundredths of a second: 20 products of 512 x 512 matrices."""

LOOK_S = 0.02
"""Seconds between two looks at the memory of this process: a look takes some 20 µs."""

UNKNOWN = (float("nan"),) * 4
"""What stands where a GPU's state cannot be read."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection inside: what lives is set aside, and the collector waits."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def synchroniser(device: str) -> Callable[[], None]:
    """What waits until a device has done all that it was given; nothing on the CPU."""
    if device == "cpu":
        return nothing
    import torch

    found: Callable[[], None] = getattr(torch, device).synchronize
    return found


def resident_bytes() -> float:
    """Memory that this process holds now."""
    return float(psutil.Process().memory_info().rss)


def held_bytes(device: str) -> float:
    """Memory in use now: what torch gave out of a CUDA device's own, else what this process holds."""
    if device != "cuda":
        return resident_bytes()
    import torch

    return float(torch.cuda.memory_allocated())


@contextlib.contextmanager
def peak(device: str) -> Iterator[Callable[[], float]]:
    """What it gives says the most of `held_bytes` since; of this process as seen now and then."""
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        yield lambda: gpu_peak_bytes(device)
        return
    done, most = threading.Event(), resident_bytes()

    def look() -> None:
        nonlocal most
        while not done.wait(LOOK_S):
            most = max(most, resident_bytes())

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield lambda: max(most, resident_bytes())
    finally:
        done.set()
        looking.join()


def peak_bytes() -> float:
    """The most memory that this process ever held.

    Linux counts it anew for each program (VmHWM, proc(5)); getrusage there also counts what the
    process was before, a copy of its parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(fields["VmHWM"].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def free_device_bytes(device: str) -> float:
    """Memory that models on a device can still have: a CUDA device's own, else `free_bytes`."""
    if device != "cuda":
        return free_bytes()
    import torch

    free, _ = torch.cuda.mem_get_info()
    return float(free)


def free_bytes() -> float:
    """Memory that can still be had without swapping, or being killed at the limit of a container."""
    return min(limits.memory_left(), float(psutil.virtual_memory().available))


def gpu_peak_bytes(device: str) -> float:
    """The most memory that torch held on a CUDA device; NaN elsewhere."""
    if device != "cuda":
        return float("nan")
    import torch

    return float(torch.cuda.max_memory_allocated())


class TimedCall(NamedTuple):
    """What a call gave, and what it took."""

    found: Any
    seconds: float
    processor: float
    """Seconds of all processors."""


def timed(call: Callable[[], Any], wait: Callable[[], None]) -> TimedCall:
    """A call from an idle device until `wait` returns, when the device has done all of it."""
    wait()
    used, start = processor_seconds(), time.perf_counter()
    found = call()
    wait()
    seconds = time.perf_counter() - start
    return TimedCall(found, seconds, processor_seconds() - used)


def processor_seconds() -> float:
    """Seconds of all processors that this process and its finished children have used."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def watch(device: str) -> Callable[[], dict[str, float]]:
    """Begin to count; what it gives says what `columns.ROUNDS` names from `load` on, since then.

    NaN for what cannot be known here.
    """
    steal, switches = _stolen(), _switches()

    def since() -> dict[str, float]:
        stolen, total = (now - then for now, then in zip(_stolen(), steal, strict=True))
        return {
            "load": psutil.getloadavg()[0],
            "steal": stolen / total if total else float("nan"),
            "switches": _switches() - switches,
            "mhz": _mhz(),
            "spin_seconds": spin(),
            **_gpu(device),
        }

    return since


def spin() -> float:
    """Seconds of the fixed computation: how fast the machine is now."""
    matrix = np.ones((SPIN_SIZE, SPIN_SIZE), dtype=np.float32)
    start = time.perf_counter()
    for _ in range(SPINS):
        matrix @ matrix
    return time.perf_counter() - start


def _stolen() -> tuple[float, float]:
    """Processor time taken by other guests of the host, NaN if unknown, and all processor time."""
    times = psutil.cpu_times()
    return getattr(times, "steal", float("nan")), sum(times[:8])  # guests' are in the users'


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _mhz() -> float:
    try:
        clock = psutil.cpu_freq()
    except (OSError, NotImplementedError):  # the system has no file for it
        clock = None
    return float(clock.current) if clock else float("nan")


def _gpu(device: str) -> dict[str, float]:
    """Clock, power, temperature and throttling, read and never set; NaN without nvidia-ml-py."""
    names = ("gpu_mhz", "gpu_watts", "gpu_celsius", "gpu_throttled")
    known = device == "cuda" and importlib.util.find_spec("pynvml") is not None
    return dict(zip(names, _nvml() if known else UNKNOWN, strict=True))


def _nvml() -> tuple[float, ...]:
    import pynvml as nvml
    import torch

    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return UNKNOWN
    try:
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        handle: Any = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
        slowed = (
            nvml.nvmlClocksThrottleReasonHwSlowdown | nvml.nvmlClocksThrottleReasonSwThermalSlowdown
        )
        return (
            float(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            float(bool(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle) & slowed)),
        )
    except nvml.NVMLError:
        return UNKNOWN
    finally:
        nvml.nvmlShutdown()
