"""What the terminal says of claims, at most 79 columns wide."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence

from harness.analysis.claims.judge import Judged, counts
from harness.page.text import counted

WIDTH = 79

ID_WIDTH = 5


def as_text(judged: Sequence[Judged]) -> str:
    """A paragraph a claim: id, verdict, evidence; then how many claims have each verdict."""
    return "\n".join([*(_claim(one) for one in judged), "", *_wrapped(tally(judged), "")])


def tally(judged: Sequence[Judged]) -> str:
    """How many claims have each verdict."""
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts(judged).items())
    return f"{counted(len(judged), 'claim')}: {told}."


def _claim(one: Judged) -> str:
    told = f"{one.claim.id:<{ID_WIDTH}} {one.ruling}: {one.evidence}"
    return "\n".join(_wrapped(told, " " * (ID_WIDTH + 1)))


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


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
