"""How well each system ranks beside the baseline: a sentence, a figure, a short table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.analysis.costs.vector_bytes import trained_here
from harness.analysis.decision.gains import Gains
from harness.analysis.decision.page import VERDICT, gain_words
from harness.analysis.quality.figures import forest
from harness.experiment.metric_names import written
from harness.page.blocks import Block, CaptionedTable
from harness.page.tables import NOT_MEASURED, Table
from harness.page.text import change, family, interval, number, spoken
from harness.results.store import Results
from harness.results.terms import objective, terms

TRAINED_HERE = (
    " It was trained on this collection only; this says nothing about published models of its kind."
)


def gain_blocks(results: Results, gained: Gains) -> Iterator[Block]:
    """Who ranks better than the baseline, over all datasets and on each."""
    metric, baseline = objective(results), results.plan["baseline"]
    tables = [CaptionedTable(_caption(metric, gained), _table(results, gained))]
    if len(gained.by_dataset) > 1:
        tables.append(CaptionedTable("The gain on each dataset.", _by_dataset(gained)))
    shown = [forest(gained.table, metric, baseline, "gains")] if len(gained.table) else []
    lines = list(_sentences(results, gained))
    method = "tests" if len(gained.table) and not gained.judged else "metrics"
    yield Block(f"Who ranks better than {baseline}", lines, (), tables, shown, method)


def _caption(metric: str, gained: Gains) -> str:
    over = f" over {len(gained.by_dataset)} datasets" * (len(gained.by_dataset) > 1)
    return f"{metric}{over}, {gained.evidence}, with 95 % intervals."


def _sentences(results: Results, gained: Gains) -> Iterator[str]:
    baseline, best = results.plan["baseline"], gained.best
    if best is not None:
        yield _first(best, written(objective(results)), baseline, gained.evidence)
        yield from _losses(results, gained)
    yield from gained.judged_by_people()
    for reason in dict.fromkeys(gained.missing.values()):
        names = dict.fromkeys(family(n) for n, why in gained.missing.items() if why == reason)
        yield f"{', '.join(names)}: {NOT_MEASURED}: {reason.rstrip('.')}."


def _first(best: Any, metric: str, baseline: str, evidence: str) -> str:
    name, bounds = spoken(best.system), interval(best.low, best.high)
    if best.verdict == "better":
        return f"{name} ranks best: {best.gain:.3f} {metric} above {baseline} {bounds}."
    if best.verdict == "same":
        return f"No system ranks better than {baseline}: {name} differs from it in no query."
    gain = change(best.gain, best.low, best.high, of=metric)
    if best.verdict == "worse":
        return f"Every system ranks worse than {baseline}; {name} loses least: {gain}."
    return (
        f"Inconclusive: {evidence} cannot tell any system from {baseline}. The "
        f"nearest is {name}: {gain}."
    )


def _losses(results: Results, gained: Gains) -> Iterator[str]:
    """Of each system its greatest loss, where the queries show one."""
    trained = {system for _, system in trained_here(results)}
    said: set[str] = set()
    for row in sorted(gained.of.values(), key=lambda row: row.gain):
        name = family(row.system)
        if row.verdict == "worse" and name not in said:
            said.add(name)
            yield (
                f"{spoken(row.system)} scored {-row.gain:.3f} lower than {results.plan['baseline']} "
                f"{interval(row.low, row.high)}.{TRAINED_HERE * (row.system in trained)}"
            )


def _table(results: Results, gained: Gains) -> Table:
    """The baseline, then the surest gains, then what was not measured."""
    metric, baseline = objective(results), results.plan["baseline"]
    smallest = terms(results).smallest_gain_that_matters
    rows = [
        [baseline, number(gained.value(name), ".4f"), "", "baseline"]
        for name in [baseline]
        if name in gained.means
    ]
    rows += [
        [
            row.system,
            number(gained.value(row.system), ".4f"),
            change(row.gain, row.low, row.high),
            gain_words(row, smallest),
        ]
        for row in gained.surest
    ]
    rows += [[name, f"{NOT_MEASURED}: {why}", "", ""] for name, why in gained.missing.items()]
    if not len(gained.table):
        return Table(["system", metric], [row[:2] for row in rows])
    return Table(["system", metric, "gain", VERDICT], rows)


def _by_dataset(gained: Gains) -> Table:
    columns = list(gained.by_dataset)
    rows = [
        [row.system, *(change(*gained.by_dataset[name][row.system]) for name in columns)]
        for row in gained.surest
    ]
    return Table(["system", *columns], rows)
