"""`vary` of a system: one specification for each combination of the values that it lists."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.components.registry import Fault
from harness.files import bounds
from harness.files.wrong_values import shown


def varied(spec: Any, path: str, fault: Fault) -> Iterator[Any]:
    """The specifications that `spec` stands for, each with a name of its own."""
    if not (isinstance(spec, Mapping) and "vary" in spec):
        yield spec
        return
    plain = {key: value for key, value in spec.items() if key != "vary"}
    vary = spec["vary"]
    wrong = list(_faults(vary))
    for where, message in wrong:
        fault(f"{path}.vary{where}", message)
    if wrong:
        yield plain
        return
    for chosen in itertools.product(*vary.values()):
        one: Mapping[str, Any] = plain
        labels = []
        for target, value in zip(vary, chosen, strict=True):
            one = _with(one, target.split("."), value)
            labels.append(f"{target.rpartition('.')[2]}={_label(value)}")
        if labels and isinstance(name := one.get("name"), str):
            one = {**one, "name": f"{name}[{','.join(labels)}]"}
        yield one


def _faults(vary: Any) -> Iterator[tuple[str, str]]:
    """Where in `vary` something is wrong, and what."""
    if not isinstance(vary, Mapping):
        yield "", "expected keys such as `reranker.dim` with lists of values"
        return
    for target, values in vary.items():
        if not (isinstance(values, tuple) and values):
            yield f".{target}", f"expected a list of values, not {shown(values)}"
            return
    count = math.prod(len(values) for values in vary.values())
    if count > bounds.SYSTEMS:
        few = f"an experiment has at most {bounds.SYSTEMS}"
        yield "", f"it makes {count:,} systems, and {few}: vary less at once"


def _with(spec: Mapping[str, Any], keys: Sequence[str], value: Any) -> Mapping[str, Any]:
    first, *rest = keys
    if rest:
        inner = spec.get(first)
        value = _with(inner if isinstance(inner, Mapping) else {}, rest, value)
    return {**spec, first: value}


def _label(value: Any) -> str:
    return value.rpartition("/")[2] if isinstance(value, str) else str(value)
