"""What is wrong with a result, or may be, as data: a reader of numbers must not have to suspect it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.analysis.quality.leaks import leaks
from harness.analysis.quality.reranking import some_judged_not_relevant
from harness.page.text import counted, listed, percent, sentence_case
from harness.results.derived_rankings import DISTINCT, OF_ORDER, TAU, TRUNCATED
from harness.results.store import Results

ALARMS = ("dataset", "system", "alarm", "severity", "evidence")
"""One row an alarm; those that block a recommendation first."""

INFO, CAUTION, INVALID = "INFO", "CAUTION", "INVALID"
"""To be known; to be weighed; the result says nothing about the system."""

SEVERITIES = (INVALID, CAUTION, INFO)

SAME_ORDER, OTHER_ORDER = 0.999, -0.9
"""Kendall's tau to the first stage from which on a reranker changed nothing, or turned it around."""

CONSTANT_INVALID = 0.5
"""Share of the queries with one score for all candidates that makes a rerank invalid."""

TIES = 0.1
"""Share of the first ten whose place the tie rule decided."""

CUT_CAUTION, CUT_INFO = 0.25, 0.05
"""Share of the candidates that the model read only in part."""

READERS = {"retrieve": "the first stage's model", "rerank": "the reranker's model"}
"""By kind of a stage who reads."""

QUERIES_CUT = ("queries truncated", "queries", "query_room")

UNREAD = {
    "retrieve": (("documents truncated", "documents", "room"), QUERIES_CUT),
    "rerank": (QUERIES_CUT,),
}
"""By kind of a stage what it may read in part: the alarm, what is counted, and the most that is read of
it. Documents of a rerank are counted candidate by candidate: TRUNCATED."""

FEWER_JUDGED = 0.05
"""How much smaller than the baseline's the share of judged documents among the first ten is."""

APART, FAR_APART = 0.99, 0.9
"""Kendall's tau between the rankings of two devices below which they are apart."""

AGAINST_INVALID = 0.5
"""Share of the queries whose ranks run against their scores that makes a run invalid."""

FOUND_ITSELF = 0.1
"""Share of the queries that find the document of their own id first, which is not relevant."""

OTHER_PACKAGES = "other packages"
"""Scores of one comparison that were made with several versions of what decides them."""

JUDGED, TIED = "judged@10", "ties@10"

NAMED = 3
"""Systems that a sentence names; of more it gives the number."""


Row = tuple[str, str, str, str, str]
"""Of ALARMS."""


def sentences(alarmed: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Of rows of ALARMS the severity and the words: one sentence for all systems that share it."""
    same = ["severity", "alarm", "evidence", "dataset"]
    for (severity, alarm, evidence, dataset), rows in alarmed.groupby(same, sort=False):
        systems = list(dict.fromkeys(rows["system"]))
        who = listed(systems, most=NAMED)
        title = f"INVALID, {alarm}" if severity == INVALID else sentence_case(str(alarm))
        yield str(severity), f"{title}: {str(evidence).rstrip('.')} ({who} on {dataset})."


def cautions(alarmed: pd.DataFrame) -> Iterator[str]:
    """The words alone."""
    return (text for _, text in sentences(alarmed))


def alarms(results: Results) -> pd.DataFrame:
    """Columns ALARMS, from stored readings, measurements, facts and timed rankings."""
    facts, baseline = _facts(results), results.plan["baseline"]
    rows = [
        (dataset, system, *alarm)
        for (dataset, system), mine in facts.items()
        for alarm in (
            *_of_values(mine, facts.get((dataset, baseline), {})),
            *_truncated(mine, results.facts.get((dataset, system), {})),
        )
    ]
    rows += [*_first_stages(results), *_unread(results), *_timed(results), *_packages(results)]
    rows += [
        (dataset, system, alarm, CAUTION if matters else INFO, said)
        for dataset in dict.fromkeys(name for name, _ in facts)
        for system, alarm, matters, said in leaks(results, dataset)
    ]
    rows.sort(key=lambda row: SEVERITIES.index(row[3]))
    return pd.DataFrame(rows, columns=list(ALARMS))


Facts = Mapping[str, "pd.Series[float]"]
"""By metric a system's values, one a query. Without JUDGED where only relevant documents were judged,
for there it is their precision."""


def _facts(results: Results) -> dict[tuple[str, str], dict[str, pd.Series[float]]]:
    measured, order = results.measurements, results.readings(*OF_ORDER)
    judged = {
        name for name in measured["dataset"].unique() if some_judged_not_relevant(results, name)
    }
    is_judged = (measured["metric"] == JUDGED) & measured["dataset"].isin(judged)
    measured = measured[is_judged | (measured["metric"] == TIED)]
    found: dict[tuple[str, str], dict[str, pd.Series[float]]] = {}
    for table in (measured, order):
        for (dataset, system, metric), rows in table.groupby(
            ["dataset", "system", "metric"], sort=False
        ):
            found.setdefault((dataset, system), {})[metric] = rows["value"]
    return found


def _of_values(facts: Facts, baseline: Facts) -> Iterator[tuple[str, str, str]]:
    """Alarm, severity and evidence of what was measured query by query."""
    tau = facts[TAU].mean() if TAU in facts else 0.0
    said = f"Kendall's tau to the order of the first stage is {tau:.3f} on average"
    if tau >= SAME_ORDER:
        yield "null reranker", INVALID, f"{said}: it changed nothing."
    elif tau <= OTHER_ORDER:
        yield "reversed order", INVALID, f"{said}: it turned the order around."
    constant = (facts[DISTINCT] == 1).mean() if DISTINCT in facts else 0.0
    if constant > 0:
        severity = INVALID if constant >= CONSTANT_INVALID else CAUTION
        said = f"{percent(constant)} of the queries have one score for all candidates."
        yield "constant scores", severity, said
    tied = facts[TIED].mean() if TIED in facts else 0.0
    if tied > TIES:
        said = f"{percent(tied)} of the first ten documents share their score with another."
        yield "ties", CAUTION, said
    if JUDGED in facts and JUDGED in baseline:
        mine, theirs = facts[JUDGED].mean(), baseline[JUDGED].mean()
        if theirs - mine > FEWER_JUDGED:
            said = (
                f"{percent(mine)} of the first ten documents have a judgement, {percent(theirs)} of the "
                "baseline's; what nobody judged counts as not relevant."
            )
            yield "unjudged", CAUTION, said


def _truncated(facts: Facts, trial: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """That a reranker reads only a part of many candidates, by its readings and its stages."""
    cut = facts[TRUNCATED].mean() if TRUNCATED in facts else 0.0
    if cut > CUT_INFO:
        rooms = [
            stage["read"]["room"]
            for stage in trial.get("stages", ())
            if stage.get("kind") == "rerank" and "read" in stage
        ]
        read = (
            f"the {max(rooms):,} tokens that the model reads" if rooms else "what the model reads"
        )
        said = f"{percent(cut)} of the candidates are longer than {read}."
        yield "truncated", CAUTION if cut > CUT_CAUTION else INFO, said


def _unread(results: Results) -> Iterator[Row]:
    """What models leave unread: queries, and documents of a first stage; of each stage once."""
    seen = set()
    for (dataset, system), facts in results.facts.items():
        for stage in facts["stages"]:
            read = stage.get("read")
            if read is None or (dataset, stage["key"]) in seen:
                continue
            seen.add((dataset, stage["key"]))
            for alarm, part, room in UNREAD[stage["kind"]]:
                cut, whole = read[f"{part}_cut"], read[part]
                if cut and cut > CUT_INFO * whole:
                    severity = CAUTION if cut > CUT_CAUTION * whole else INFO
                    said = (
                        f"{cut:,} of {whole:,} {part} are longer than the {read[room]:,} tokens that "
                        f"{READERS[stage['kind']]} reads."
                    )
                    yield dataset, system, alarm, severity, said


def _first_stages(results: Results) -> Iterator[Row]:
    """Alarms of what a first stage was given, and of what it found."""
    for (dataset, system), facts in results.facts.items():
        first = facts["stages"][0]
        ranks = first.get("ranks")
        if ranks and ranks["unsorted"]:
            queries, against = ranks["queries"], ranks["against"]
            how = "runs against the scores" if against else "is not the order of the scores"
            severity = INVALID if against >= AGAINST_INVALID * queries else CAUTION
            said = (
                f"For {against or ranks['unsorted']} of {counted(queries, 'query')} the rank column of "
                f"the saved run {how}, which decide here, the highest first. If less is better, as of "
                "distances, write the scores with a minus."
            )
            yield dataset, system, "ranks against scores", severity, said
        itself = first.get("own_document_first", 0) / facts["dataset"]["queries"]
        if itself >= FOUND_ITSELF:
            said = (
                f"{percent(itself)} of the queries find first the document that has their own id and is "
                "not relevant: if it is the query itself, write `drop_self_hits: true`."
            )
            yield dataset, system, "finds itself", CAUTION, said


def _packages(results: Results) -> Iterator[Row]:
    """Where a system's stages were made with other versions than those that stand before it.

    Keys tell releases apart, so these are fixes: as a rule scores are the same, or nearly.
    """
    first: dict[tuple[str, str], set[str]] = {}
    for (dataset, system), facts in results.facts.items():
        for name, found in sorted(_versions(facts).items()):
            before = first.setdefault((dataset, name), found)
            if len(before | found) > 1:
                said = (
                    f"These scores come from {name} {' and '.join(sorted(found))}, others from {name} "
                    f"{' and '.join(sorted(before))}, so a difference may be the package's. Run again "
                    "with --results and --cache in new folders."
                )
                yield dataset, system, OTHER_PACKAGES, CAUTION, said


def _versions(facts: Mapping[str, Any]) -> dict[str, set[str]]:
    """By package that decided scores its versions: when each stage was made, and at the end."""
    at_the_end = facts["provenance"]["packages"]
    found: dict[str, set[str]] = {}
    for stage in facts["stages"]:
        for name, version in stage.get("packages", {}).items():
            found.setdefault(name, {at_the_end.get(name, version)}).add(version)
    return found


def _timed(results: Results) -> Iterator[Row]:
    """Alarms of the rankings that were timed: on another device, or not those of quality."""
    arms = results.costs["arms"]
    for (dataset, system), rows in arms[arms["tau"].notna()].groupby(
        ["dataset", "system"], sort=False
    ):
        least = rows.loc[rows["tau"].idxmin()]
        if least["tau"] < APART:
            severity = INVALID if least["tau"] < FAR_APART else CAUTION
            said = f"Kendall's tau to the first device is {least['tau']:.3f} on {least['device']}."
            yield str(dataset), str(system), "devices apart", severity, said
    known = arms[(arms["status"] == "measured") & (arms["agreement"] < 1)]
    for (dataset, system), rows in known.groupby(["dataset", "system"], sort=False):
        said = (
            f"only {percent(rows['agreement'].min())} of the timed queries rank as in the run that "
            "quality comes from: latency and quality are of different rankings."
        )
        yield str(dataset), str(system), "timed ranking differs", CAUTION, said
