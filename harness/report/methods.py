"""How the numbers of a report were measured: what its columns and captions link to."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.analysis.costs.load import BEHIND, STRETCHES
from harness.analysis.statistics.intervals import FEWEST, RESAMPLES
from harness.analysis.statistics.paired_ratios import FEWEST_QUERIES, QUIET
from harness.analysis.statistics.percentiles import MINIMUM
from harness.analysis.statistics.tail import PERCENT, PLANNED, SETTLING
from harness.files import disk
from harness.page.blocks import Block, Section
from harness.page.text import counted
from harness.results.store import Results
from harness.results.terms import objective, terms

TITLE = "How it was measured"

HEADS: Mapping[str, str] = {
    r"ties@\d+": "ties",
    r"\w+(\(rel=\d+\))?@\d+|ndcg|(map|mrr)(\(rel=\d+\))?": "metrics",
    r"gain": "intervals",
    r"largest score .*|Kendall's tau|.* difference|queries that .*|documents in .*": "parity",
    r"times as fast.*": "ratios",
    r"the baseline's|gain without unjudged": "unjudged",
    r"first stage|reranked|ceiling|share of the gap closed|lost before|left behind": "ceilings",
    r"\d+": "depths",
    r"chance to be dominated": "frontier",
    r"p \(.*Holm\)|what the queries show|wins / ties / losses": "tests",
    r"k = .*|calls|p\d\d( ms)?( \[95 %\])?|(query|documents|score) ms": "latency",
    r"(fetch|memory|map|cold map) ms": "fetching",
    r"GB / million docs|times .*|(vectors|vectors or terms|bytes) / doc|stored|on disk|difference|dims?": "storage",
    r"starts|(imports|load|first call) s|(model|peak|GPU peak) GB": "memory",
    r"clients|(offered|answered) / s.*|of the most|refused|failed|unsent|cores|verdict|slowest ms": "load",
    r"count|per second|tokens / s|s / 1,000 tokens|ms / document": "throughput",
    r"ms / query|.* / month|index (once|h)|(RAM|disk) GB": "projection",
}
"""By pattern of a column's name the method that its numbers come from."""


def method_of(column: str) -> str:
    """The key of the method that a column's numbers come from, else an empty text."""
    return next((key for head, key in HEADS.items() if re.fullmatch(head, column)), "")


def anchor(key: str) -> str:
    """The name under which links lead to a method."""
    return f"how-{key}"


def methods(results: Results, shown: Sequence[Section]) -> Section:
    """The section that says how each kind of number that `shown` has was measured."""
    percentiles = [f"p{percent} from {least}" for percent, least in MINIMUM.items() if least > 1]
    facts = {
        "seed": results.plan["seed"],
        "resamples": f"{RESAMPLES:,}",
        "fewest_queries": FEWEST,
        "objective": objective(results),
        "smallest": f"{terms(results).smallest_gain_that_matters:g}",
        "depths": _depths(results),
        "percentiles": ", ".join(percentiles),
        "fewest": FEWEST_QUERIES,
        "quiet": " to ".join(map(str, QUIET)),
        "planned": f"{PLANNED:.0%}",
        "settling": f"{SETTLING:.0%}",
        "fewest_met": math.ceil(math.log(PLANNED) / math.log(PERCENT / 100)),
        "slower": QUIET[1],
        "behind": f"{BEHIND:.0%}",
        "stretches": STRETCHES,
    }
    used = _used(results, shown)
    texts = disk.read_yaml(Path(__file__).with_name("methods.yaml"))
    blocks = [
        Block(one["title"], [line.format(**facts) for line in one["lines"]], anchor=anchor(key))
        for key, one in texts.items()
        if key in used
    ]
    return Section(TITLE, blocks, "how", folded=True)


def _used(results: Results, shown: Sequence[Section]) -> set[str]:
    """The methods that blocks and columns link to, and those that stand behind others."""
    blocks = [block for section in shown for block in section.blocks]
    columns = {c for block in blocks for one in block.tables for c in one.table.columns}
    used = {block.method for block in blocks} | set(map(method_of, columns))
    behind = {
        "intervals": "metrics" in used,
        "candidates": bool(_reranked(results)),
        "modes": bool(set(results.costs["arms"]["mode"]) & {"on the fly", "precomputed"}),
    }
    return used | {key for key, so in behind.items() if so}


def _reranked(results: Results) -> list[Mapping[str, Any]]:
    """The systems of the trials that reranked."""
    return [facts["system"] for facts in results.facts.values() if facts["system"].get("reranker")]


def _depths(results: Results) -> str:
    """How deep the systems look that rerank."""
    found = Counter(
        (depth["retrieve"], depth["rerank"])
        for system in _reranked(results)
        if (depth := system.get("depth"))
    )
    return " ".join(
        f"{retrieve:,} documents are retrieved, of which rerankers score {rerank:,} "
        f"({'all that rerank' if len(found) == 1 else counted(count, 'trial')})."
        for (retrieve, rerank), count in found.items()
    )
