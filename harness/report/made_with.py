"""What was run: machine, packages, and every system's configuration with the keys of its trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.analysis.costs.vector_bytes import configurations
from harness.experiment.provenance import machine_words
from harness.page.blocks import Block, CaptionedTable, Section
from harness.page.tables import Table
from harness.results.store import Results


def system_anchors(results: Results) -> dict[str, str]:
    """By system the name under which links lead to its configuration."""
    return {name: f"system-{i}" for i, name in enumerate(configurations(results), start=1)}


def made_with(results: Results) -> Section:
    """The section that says what was run."""
    blocks = [*_machine(results), _systems(results), *_stages(results)]
    return Section("What was run", blocks, "run", folded=True)


def _machine(results: Results) -> Iterator[Block]:
    facts = [*results.facts.values(), *results.cost_facts.values()]
    known: Mapping[str, Any] = next((fact["provenance"] for fact in facts), {})
    if known:
        packages = ", ".join(f"{name} {version}" for name, version in known["packages"].items())
        ran = (
            f"harness {known['harness']} ({known['revision'] or 'not a checkout'}), "
            f"Python {known['python']}, {machine_words(known['machine'])}."
        )
        yield Block("Machine and packages", [ran, f"Packages: {packages or 'none'}."])


def _systems(results: Results) -> Block:
    trials, configs = results.trials, configurations(results)
    tables = []
    for name, anchor in system_anchors(results).items():
        mine = trials[trials["system"] == name]
        keys = [[f"key of the trial on {row.dataset}", str(row.key)] for row in mine.itertuples()]
        rows = [[*pair] for pair in settings(configs[name])]
        table = Table(["setting", "value"], [*rows, *keys], prose=(1,))
        tables.append(CaptionedTable(name, table, folded=True, anchor=anchor))
    return Block("Systems", tables=tables)


def settings(config: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a configuration with the path to it, what is not set left out."""
    parts: Mapping[str, Any] = (
        config if isinstance(config, Mapping) else {str(i): part for i, part in enumerate(config)}
    )
    for key, value in parts.items():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping | list):
            yield from settings(value, here)
        elif value is not None:
            yield here, str(value).lower() if isinstance(value, bool) else str(value)


def _stages(results: Results) -> Iterator[Block]:
    rows = [
        [row.system, row.dataset, row.stage, f"{row.seconds:.1f}", row.finished]
        for row in results.timings.itertuples()
    ]
    if rows:
        table = Table(["system", "dataset", "stage", "seconds", "finished (UTC)"], rows, named_by=3)
        caption = "Wall-clock seconds of the stages as they were run; not a latency measurement."
        yield Block("Time of the run", tables=[CaptionedTable(caption, table)])
