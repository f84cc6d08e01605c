"""What became different between two sides of a gate, in configuration and versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.experiment.keys import is_place

CHANGED = ("what", "accepted", "now", "where")
"""One row a setting, model, version or count that is not as it was accepted; `where` names the
trials or the dataset."""

NOTHING = "-"
"""What stands where a side has no such thing."""

NAMED = 3
"""Trials that `where` names; of more it says how many."""


def changed_facts(accepted: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows CHANGED: rules first, then data, then what trials of both sides differ in.

    Where files lie is no difference, but their names are.
    """
    accepted, now = placeless(accepted), placeless(now)
    rules = differences({"rule": accepted["rules"]}, {"rule": now["rules"]})
    rows: list[tuple[str, ...]] = [(*row, "gate") for row in rules]
    for dataset, facts in now["datasets"].items():
        before = accepted["datasets"].get(dataset, facts)
        rows += [(*row, dataset) for row in differences(before, facts)]
    old, new = _trials(accepted), _trials(now)
    rows += [("trial", NOTHING, "new", name) for name in sorted(new.keys() - old.keys())]
    rows += [("trial", "accepted", NOTHING, name) for name in sorted(old.keys() - new.keys())]
    where: dict[tuple[str, str, str], list[str]] = {}
    both = [name for name in old if name in new]
    for name in both:
        for row in differences(old[name], new[name]):
            where.setdefault(row, []).append(name)
    return [*rows, *((*row, _told(names, len(both))) for row, names in where.items())]


def _told(names: Sequence[str], of: int) -> str:
    if len(names) == of:
        return "every trial"
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _trials(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By `system on dataset` its settings, its models and what it was made with."""
    return {
        f"{system} on {dataset}": {
            **trial["config"],
            "model": trial["models"],
            **facts["provenances"][trial["made_with"]],
        }
        for dataset, systems in facts["trials"].items()
        for system, trial in systems.items()
    }


def placeless(value: Any) -> Any:
    """`value` with names in the place of absolute paths: another checkout may lie elsewhere."""
    if isinstance(value, Mapping):
        return {key: placeless(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [placeless(part) for part in value]
    return Path(value).name if is_place(value) else value


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Path, old and new text of every leaf that is not the same on both sides."""
    before, after = dict(_flat(old)), dict(_flat(new))
    for path in dict.fromkeys([*before, *after]):
        pair = before.get(path, NOTHING), after.get(path, NOTHING)
        if pair[0] != pair[1]:
            yield (path, *pair)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf with the path to it, as text."""
    inner: Iterator[tuple[Any, Any]] | None = None
    if isinstance(value, Mapping):
        inner = iter(value.items())
    elif isinstance(value, list | tuple):
        inner = iter(enumerate(value, start=1))
    if inner is None:
        yield path, str(value)
        return
    for key, part in inner:
        yield from _flat(part, f"{path}.{key}" if path else str(key))
