"""`vary` of a system: one specification for each combination of the values that it lists."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.components.registry import Fault
from harness.files import bounds
from harness.files.wrong_values import shown


def varied(
    spec: Mapping[str, Any], path: str, fault: Fault
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The end of each system's name with its specification; without `vary` the one that is there."""
    vary = spec.get("vary", {})
    if not isinstance(vary, Mapping):
        fault(f"{path}.vary", "expected keys such as `reranker.dim` with lists of values")
        return
    plain = {key: value for key, value in spec.items() if key != "vary"}
    for target, values in vary.items():
        if not (isinstance(values, tuple) and values):
            fault(f"{path}.vary.{target}", f"expected a list of values, not {shown(values)}")
            return
    count = math.prod(len(values) for values in vary.values())
    if count > bounds.SYSTEMS:
        few = f"an experiment has at most {bounds.SYSTEMS}"
        fault(f"{path}.vary", f"it makes {count:,} systems, and {few}: vary less at once")
        return
    for chosen in itertools.product(*vary.values()):
        one: Mapping[str, Any] = plain
        for target, value in zip(vary, chosen, strict=True):
            one = _with(one, target.split("."), value)
        labels = [
            f"{target.rpartition('.')[2]}={_label(value)}"
            for target, value in zip(vary, chosen, strict=True)
        ]
        yield (f"[{','.join(labels)}]" if labels else ""), one


def _with(spec: Mapping[str, Any], keys: Sequence[str], value: Any) -> Mapping[str, Any]:
    inner = _with(_mapping(spec.get(keys[0])), keys[1:], value) if len(keys) > 1 else value
    return {**spec, keys[0]: inner}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _label(value: Any) -> str:
    return value.rpartition("/")[2] if isinstance(value, str) else str(value)
