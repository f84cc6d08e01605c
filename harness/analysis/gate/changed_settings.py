"""What became different between two sides of a gate, in configuration and versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.experiment.keys import is_place


class Changed(NamedTuple):
    """A setting, model, version or count that is not as it was accepted."""

    what: str
    accepted: str
    now: str
    where: str
    """The trials or the dataset."""

    def __str__(self) -> str:
        """All of it on a line."""
        return f"{self.what}: {self.accepted} -> {self.now} ({self.where})"


NOTHING = "-"
"""What stands where a side has no such thing."""

NAMED = 3
"""Trials that `where` names; of more it says how many."""


def changed_facts(accepted: Mapping[str, Any], now: Mapping[str, Any]) -> list[Changed]:
    """Rules first, then data, then what trials of both sides differ in.

    Where files lie is no difference, but their names are.
    """
    accepted, now = placeless(accepted), placeless(now)
    rules = differences({"rule": accepted["rules"]}, {"rule": now["rules"]})
    rows = [Changed(*row, "gate") for row in rules]
    for dataset, facts in now["datasets"].items():
        before = accepted["datasets"].get(dataset, facts)
        rows += [Changed(*row, dataset) for row in differences(before, facts)]
    old, new = _trials(accepted), _trials(now)
    added, gone = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    rows += [Changed("trial", NOTHING, "new", name) for name in added]
    rows += [Changed("trial", "accepted", NOTHING, name) for name in gone]
    where: dict[tuple[str, str, str], list[str]] = {}
    both = [name for name in old if name in new]
    for name in both:
        for row in differences(old[name], new[name]):
            where.setdefault(row, []).append(name)
    for row, names in where.items():
        more = len(names) - NAMED
        some = ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
        rows.append(Changed(*row, "every trial" if len(names) == len(both) else some))
    return rows


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
    if isinstance(value, Mapping):
        inner: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value, start=1)
    else:
        yield path, str(value)
        return
    for key, part in inner:
        yield from _flat(part, f"{path}.{key}" if path else str(key))
