"""What was not measured and why, and what random weights leave of the numbers' meaning."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from harness.analysis.costs.vector_bytes import configurations, models_of
from harness.analysis.judgments.journal import journal_of
from harness.components.models import catalogue
from harness.components.models.random_weights import remark
from harness.errors import ModelError
from harness.experiment import remote_code
from harness.experiment.provenance import machine_words
from harness.page.text import listed
from harness.results.store import NO_JUDGMENTS, Results

QUALITY_ONLY = (
    "Latency, memory and cost: this experiment asks for quality and the size of the index alone."
)
"""Said where an experiment asks for no latency."""

NOTHING = "Nothing: all that the experiment asks for was measured."

NAMED = 6
"""Systems that a line names; of more it gives the number."""

CARRIES_OVER = (
    "The weights of {whose} are random. Their time, memory and bytes are those of the real models, "
    "because the architecture decides them. Their quality is not, and was not measured; nor is how many "
    "vectors remain where tokens are pruned or clustered by meaning, nor are token counts of models whose "
    "tokenizer is not BERT uncased, which stands in for all."
)


def random_weights(results: Results) -> list[str]:
    """What a reader must know first where weights are random: a statement, then a line a model."""
    if not results.weightless:
        return []
    everywhere = results.plan["weights"] == "dummy"
    whose = "the models" if everywhere else listed(sorted(results.weightless), " and ", NAMED)
    configs = configurations(results).values()
    grid = [str(model) for model in results.costs["grid"]["model"]]
    models = dict.fromkeys([*(m for config in configs for m in models_of(config)), *grid])
    return [
        CARRIES_OVER.format(whose=whose),
        *(line for model in models for line in _remark(model)),
    ]


def _remark(model: str) -> Iterator[str]:
    """What is said of a model that the catalogue builds, without the marker of random weights."""
    if model.startswith(catalogue.DUMMY):
        try:
            yield remark(model).removeprefix(catalogue.DUMMY)
        except ModelError:  # results of a catalogue that has changed since
            yield f"{model.removeprefix(catalogue.DUMMY)}: the catalogue no longer knows it."


def not_measured(results: Results) -> list[str]:
    """Each thing that was not measured with its reason, alike ones together."""
    asked = {kind for _, kind in results.cost_facts}
    left_out = results.plan.get("left_out", {})  # none in older results
    lines = [*remote_code.sentences(left_out), *_undone(results)]
    lines += [
        f"Metrics on {name}: people judged drawn queries, from which gains alone are estimated."
        if journal_of(results, name).state.draws
        else f"Quality on {name}: {NO_JUDGMENTS}."
        for name in sorted(results.unjudged)
    ]
    lines += [*_arms(results.costs["arms"]), *_ways(results.costs["grid"])]
    lines += _under_load(results.costs["steps"])
    lines += _elsewhere(results)
    if "latency" not in asked:
        lines.append(QUALITY_ONLY)
    elif "storage" not in asked:
        lines.append("Ways to store token vectors: the experiment has no block `storage`.")
    if asked and not results.plan["decision"]["workload"]:
        lines.append("What a workload needs: the experiment names none.")
    return lines or [NOTHING]


def _undone(results: Results) -> Iterator[str]:
    for reason, names in _by_reason(results.trials[results.trials["status"] != "done"]):
        yield f"Quality of {listed(names, most=NAMED)}: {reason.rstrip('.')}."


def _arms(arms: pd.DataFrame) -> Iterator[str]:
    """Arms that were not timed or only predicted, by device and reason."""
    timed = set(arms[arms["status"] == "measured"]["device"])
    missing = arms[arms["status"] != "measured"]
    for (device, status), rows in missing.groupby(["device", "status"], sort=False):
        alike = rows["reason"].str.replace(r"\d[\d,.]*", "…", regex=True)
        for reason, arms_alike in rows.groupby(alike, sort=False):
            reasons = set(arms_alike["reason"])
            said = reasons.pop() if len(reasons) == 1 else reason
            where = f"{device}, predicted" if status == "predicted" else device
            yield f"{where}: {said} ({_counted(arms_alike, everyone=device not in timed)})."


def _counted(arms: pd.DataFrame, *, everyone: bool) -> str:
    """Systems with mode and k; of many, or where it is `everyone`, how many there are."""
    sizes = arms.groupby(["system", "mode"], sort=False)["k"]
    if everyone or len(sizes) > NAMED:
        return f"systems: {arms['system'].nunique()}"
    return "; ".join(
        f"{system}, {mode}, k = {', '.join(map(str, ks))}" for (system, mode), ks in sizes
    )


def _elsewhere(results: Results) -> Iterator[str]:
    """What other machines measured: it stands beside, and is never mixed in."""
    for (dataset, kind), machines in results.elsewhere.items():
        for known in machines:
            yield (
                f"{kind.capitalize()} on {dataset} on another machine ({machine_words(known)}): this "
                "report shows the machine of the last run; `run` there shows the other."
            )


def _ways(grid: pd.DataFrame) -> Iterator[str]:
    for row in grid[grid["disk_bytes"].isna()].itertuples():
        bits = "" if pd.isna(row.nbits) else f" with {int(row.nbits)} bits"
        model = str(row.model).removeprefix(catalogue.DUMMY) or row.system
        yield f"{model}, {row.precision}{bits}: {row.remark}."


def _under_load(steps: pd.DataFrame) -> Iterator[str]:
    undone = steps[steps["status"] != "measured"].drop_duplicates(["dataset", "system", "reason"])
    for reason, names in _by_reason(undone):
        yield f"Load of {listed(names, most=NAMED)}: {reason}"


def _by_reason(rows: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    """Each reason, and the systems with their datasets that have it."""
    for reason, alike in rows.groupby("reason", sort=False):
        yield str(reason), [f"{row.system} on {row.dataset}" for row in alike.itertuples()]
