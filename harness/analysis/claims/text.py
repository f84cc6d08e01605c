"""What the terminal says of claims, at most 79 columns wide."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from harness.analysis.claims.judge import Judged, counts
from harness.page.terminal import paragraph
from harness.page.text import counted

ID_WIDTH = 5


def as_text(judged: Sequence[Judged]) -> str:
    """A paragraph a claim: id, verdict, evidence; then how many claims have each verdict."""
    lines: list[str] = []
    for one in judged:
        text = f"{one.claim.id:<{ID_WIDTH}} {one.ruling}: {one.evidence}"
        lines += paragraph(text, then=" " * (ID_WIDTH + 1))
    tally = ", ".join(f"{count} {verdict}" for verdict, count in counts(judged).items())
    return "\n".join([*lines, "", *paragraph(f"{counted(len(judged), 'claim')}: {tally}.")])


def as_json(judged: Sequence[Judged]) -> str:
    """The same for programs, with what each claim says and who says it."""
    content = {"claims": [_plain(one) for one in judged], "counts": counts(judged)}
    return json.dumps(content, indent=1, ensure_ascii=False)


def _plain(one: Judged) -> Mapping[str, object]:
    found = one.found
    value, low, high = (None,) * 3 if found is None else found[:3]
    return {
        "id": one.claim.id,
        "says": one.claim.says,
        "source": one.claim.source,
        "expected": one.claim.expected.words(),
        "verdict": one.verdict,
        "machine": found.machine if found else "",
        "value": value if isinstance(value, str) else _finite(value),
        "low": _finite(low),
        "high": _finite(high),
        "evidence": one.evidence,
    }


def _finite(bound: float | None) -> float | None:
    """JSON has no infinity: a bound that is not known is none."""
    return bound if bound is not None and math.isfinite(bound) else None
