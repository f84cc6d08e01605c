"""Claims judged from stored results: what was found, and whether it bears the claim out.

Each claim is judged alone, by a 95 % interval where its value was sampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, get_args

from harness.analysis.claims import evidence
from harness.analysis.claims.evidence import Found, NoValueError, Stored, Verdict
from harness.analysis.claims.latency import latency, memory
from harness.analysis.claims.quality import quality
from harness.analysis.claims.storage import storage
from harness.experiment.claims import (
    Arithmetic,
    Catalogued,
    Expected,
    LatencyEvidence,
    Memory,
    Packaged,
    Quality,
    StorageEvidence,
)
from harness.experiment.claims_reading import Claim
from harness.results.store import Results

FACTS: Mapping[type, Callable[[Any], Found]] = {
    Arithmetic: evidence.arithmetic,
    Catalogued: evidence.catalogued,
    Packaged: evidence.packaged,
}
"""What finds a value without any results; like all of these it raises NoValueError where none is."""

COSTS: Mapping[type, Callable[[Any, Results, Stored], Found]] = {
    LatencyEvidence: latency,
    Memory: memory,
    StorageEvidence: storage,
}
"""What finds a value in results of any weights."""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class Judged(NamedTuple):
    """A claim with its verdict."""

    claim: Claim
    verdict: Verdict
    evidence: str
    """What was found and where, or what is missing."""
    found: Found | None = None

    @property
    def ruling(self) -> str:
        """The verdict, with the machine that it holds for."""
        machine = self.found.machine if self.found else ""
        return f"{self.verdict} on {machine}" if machine else self.verdict


def judge(claim: Claim, stored: Stored) -> Judged:
    """The verdict on one claim."""
    note = f" {claim.note}" if claim.note else ""
    try:
        found = _find(claim.evidence, stored)
    except NoValueError as why:
        return Judged(claim, why.verdict, f"{why}.{note}")
    said = f"{found.said}; claimed: {claim.expected.words()}.{note}"
    return Judged(claim, _verdict(found, claim.expected), said, found)


def _find(asked: Any, stored: Stored) -> Found:
    kind = type(asked)
    if kind in FACTS:
        return FACTS[kind](asked)
    if kind is Quality:
        return quality(asked, stored.real(asked.experiment), stored)
    find = COSTS[kind]
    return stored.any_weights(asked.experiment, lambda results: find(asked, results, stored))


def _verdict(found: Found, expected: Expected) -> Verdict:
    """Supported where all of the interval lies in the range that is claimed, contradicted where none."""
    where = expected.range()
    if where is None:
        same = str(found.value).casefold() == str(expected.equals).casefold()
        return "supported" if same else "contradicted"
    if where.contains(found.low) and where.contains(found.high):
        return "supported"
    if where.misses(found.low, found.high):
        return "contradicted"
    only_bounds = isinstance(found.value, float) and math.isnan(found.value)
    return "not measured" if only_bounds else "not distinguishable"


def counts(judged: Iterable[Judged]) -> dict[Verdict, int]:
    """How many claims have each verdict, in the order of VERDICTS."""
    found = [one.verdict for one in judged]
    return {verdict: found.count(verdict) for verdict in VERDICTS}
