"""The names of metrics: what is measured, from which grade a document counts, how deep it looks.

`recall(rel=2)@100` is written as in ir_measures (MacAvaney et al. 2022), whose own names (`R`, `P`,
`RR`, `AP`, `nDCG`, `Success`) are understood beside ours, and so is ranx's `recall@100-l2`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from harness.files import bounds
from harness.files.wrong_values import shown
from harness.page.text import counted


class Function(NamedTuple):
    """What a metric computes of a ranking."""

    names: tuple[str, ...]
    """Other names, in lower case."""
    levels: bool = True
    """Whether a document counts or not, so that it can be said from which grade on."""
    whole: bool = False
    """Whether it can look at the whole ranking, without a cut-off."""


FUNCTIONS: Mapping[str, Function] = {
    "ndcg": Function((), levels=False, whole=True),
    "mrr": Function(("rr",), whole=True),
    "recall": Function(("r",)),
    "map": Function(("ap",), whole=True),
    "precision": Function(("p",)),
    "hit_rate": Function(("success",)),
    "judged": Function((), levels=False),
    "ties": Function((), levels=False),
}
"""By our name; nDCG weighs grades, and the last two say how far the others can be believed."""

WRITTEN = {"ndcg": "nDCG", "mrr": "MRR", "map": "MAP"}
"""By our name what a sentence calls it, where that differs."""

KNOWN = (
    "known: ndcg@10 (nDCG@10), mrr@10 (RR@10), recall@100 (R@100), precision@10 (P@10), hit_rate@5 "
    "(Success@5), map@100 (AP@100), map (MAP), judged@10, ties@10; with `(rel=2)` before the @, as "
    "in recall(rel=2)@100, a document counts as relevant from grade 2"
)

GRAMMAR = re.compile(
    r"(?P<name>[a-z_]+)(\(\s*rel\s*=\s*(?P<rel>[1-9][0-9]*)\s*\))?"
    r"(@(?P<cut>[1-9][0-9]*))?(-l(?P<level>[1-9][0-9]*))?",
    re.IGNORECASE,
)


class Metric(NamedTuple):
    """One metric; its text is the one name under which it is stored."""

    function: str
    """A key of FUNCTIONS."""
    cut: int | None
    """The ranks that it looks at; None: all of them."""
    level: int = 1
    """The grade from which a document counts as relevant."""

    def __str__(self) -> str:
        """Such as `ndcg@10`, `recall(rel=2)@100` or `map`."""
        level = f"(rel={self.level})" if self.level > 1 else ""
        return f"{self.function}{level}" + (f"@{self.cut}" if self.cut else "")

    def unmeasurable(self, depths: Mapping[int, str]) -> str | None:
        """Why it says nothing of runs that are so deep, by depth a system's name; None if it does."""
        if self.cut is None and len(depths) > 1:
            both = " and ".join(f"{depth} of {depths[depth]!r}" for depth in sorted(depths)[:2])
            return f"{self} looks at all that was retrieved, which is {both}: give it a cut-off"
        least = min(depths, default=self.cut)
        if self.cut is not None and least is not None and least < self.cut:
            return (
                f"{self} looks deeper than the {counted(least, 'document')} that {depths[least]!r} retrieves; "
                "raise depth.retrieve or lower the cut-off"
            )
        return None


def parsed(text: str) -> Metric:
    """The metric that `text` names; raises ValueError that says which there are."""
    match = GRAMMAR.fullmatch(text.strip())
    name = match["name"].casefold() if match else ""
    function = next((key for key, f in FUNCTIONS.items() if name in (key, *f.names)), None)
    if match is None or function is None or (match["rel"] and match["level"]):
        raise ValueError(f"{shown(text)} is not a metric; {KNOWN}")
    level = match["rel"] or match["level"]
    for number, most in ((match["cut"], bounds.DEEPEST), (level, 10**bounds.GRADE_DIGITS)):
        if number and (len(number) > bounds.DIGITS or int(number) > most):
            raise ValueError(f"{shown(text)}: at most {most:,} can be said there")
    if level and not FUNCTIONS[function].levels:
        raise ValueError(f"{text!r}: {function} takes no level of relevance; {KNOWN}")
    if not match["cut"] and not FUNCTIONS[function].whole:
        raise ValueError(f"{text!r} needs a cut-off, such as {text}@10")
    return Metric(function, int(match["cut"]) if match["cut"] else None, int(level or 1))


def canonical(text: str) -> str:
    """The one name of the metric that `text` names, or `text` where it names none."""
    try:
        return str(parsed(text))
    except ValueError:
        return text


Named = Annotated[str, AfterValidator(canonical)]
"""A field that names one of the metrics of an experiment, which is checked beside them."""


def levels(names: Sequence[str], grades: Mapping[str, int], best: Mapping[str, int]) -> list[str]:
    """Sentences on which documents count as relevant in the metrics `names` of a dataset.

    `grades` counts its judgements, `best` its queries by the highest grade of a document. Empty
    where there are no grades but 0 and 1 and none is asked for.
    """
    by_level: dict[int, list[str]] = {}
    for name in names:
        metric = parsed(name)
        if FUNCTIONS[metric.function].levels:
            by_level.setdefault(metric.level, []).append(name)
    highest = max(map(int, grades), default=0)
    if highest <= 1 and max(by_level, default=1) == 1:
        return []
    said = [f"from grade {level} in {', '.join(by_level[level])}" for level in sorted(by_level)]
    weighed = [name for name in names if parsed(name).function == "ndcg"]
    said += [f"by its grade in {', '.join(weighed)}"] * bool(weighed)
    notes = [f"Grades go up to {highest}; a document counts as relevant {', '.join(said)}."] * bool(
        said
    )
    for level in sorted(set(by_level) - {1}):
        lacking = sum(count for grade, count in best.items() if int(grade) < level)
        if lacking:
            none = f"no document of grade {level} or more and count"
            who = counted(lacking, f"query has {none}s", f"queries have {none}")
            notes.append(f"{who} 0 in {', '.join(by_level[level])}.")
    return notes


def written(metric: str) -> str:
    """A metric as a sentence has it: `nDCG@10`."""
    name, at, depth = metric.partition("@")
    return f"{WRITTEN.get(name, name)}{at}{depth}"
