"""Claims judged from stored results: what was found, and whether it bears the claim out.

Each claim is judged alone, by a 95 % interval where its value was sampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, get_args

from harness.analysis.claims import evidence
from harness.analysis.claims.evidence import Found, Stored, UnjudgedError, Verdict
from harness.analysis.claims.latency import held, timed
from harness.analysis.claims.quality import quality
from harness.analysis.claims.storage import kept
from harness.experiment.claims import (
    Arithmetic,
    Catalogued,
    Claim,
    Expected,
    Latency,
    Memory,
    Packaged,
    Quality,
    Storage,
)

FINDERS: Mapping[type, Callable[[Any, Stored], Found]] = {
    Arithmetic: evidence.arithmetic,
    Catalogued: evidence.catalogued,
    Packaged: evidence.packaged,
    Quality: quality,
    Latency: timed,
    Memory: held,
    Storage: kept,
}
"""What finds a value of each kind; it raises UnjudgedError where there is none."""

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
    try:
        found = FINDERS[type(claim.evidence)](claim.evidence, stored)
    except UnjudgedError as why:
        return Judged(claim, why.verdict, f"{why}.{_note(claim)}")
    told = f"{found.said}; claimed: {claim.expected.words()}.{_note(claim)}"
    return Judged(claim, _verdict(found, claim.expected), told, found)


def _note(claim: Claim) -> str:
    return f" {claim.note}" if claim.note else ""


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


def experiment_of(claim: Claim) -> str | None:
    """The experiment that a claim is judged from, if it is from one."""
    found: str | None = getattr(claim.evidence, "experiment", None)
    return found
