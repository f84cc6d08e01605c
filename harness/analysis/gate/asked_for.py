"""What an experiment's file asks for now, against what its stored results were measured of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from harness.analysis.gate.changed_settings import differences, placeless
from harness.experiment.keys import data_facts
from harness.experiment.plan import Plan, Trial
from harness.results.store import Results

NAMED = 3
"""Differences that a reason names; of more it says how many."""

DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")
"""A digest or a commit, of which a reader needs the beginning."""

OTHER_TIMINGS = "the file now asks for other settings or systems than were timed"


class Incomparable(NamedTuple):
    """Why results are not compared."""

    status: Literal["inconclusive", "not comparable", "not measured"]
    reason: str
    run_again: bool = False
    """Whether a run of the experiment is the way out."""


def unanswered(results: Results, plan: Plan) -> dict[tuple[str, str], Incomparable]:
    """By (dataset, system) of the plan: why no stored result is what the file asks for now.

    Compared are the keys of trials, which are hashes of content: a file that lies elsewhere is the
    same, and another one in its place is not.
    """
    ran = {(entry["dataset"], entry["system"]): entry for entry in results.plan["trials"]}
    states = {
        (str(row.dataset), str(row.system)): (str(row.status), str(row.reason))
        for row in results.trials.itertuples()
    }
    found = {}
    for trial in plan.trials:
        name = (trial.dataset.name, trial.system.name)
        status, reason = states.get(name, ("pending", "not run yet"))
        if status == "done" and ran[name]["key"] != trial.key:
            other = _differing(trial, results.facts[name])
            why = f"the file now asks for something else than was measured ({other}): run again"
            found[name] = Incomparable("not comparable", why, run_again=True)
        elif status != "done":
            why = reason if status == "pending" else f"{status}: {reason}"
            found[name] = Incomparable("not measured", why, run_again=True)
    return found


def other_timings(results: Results, plan: Plan) -> set[str]:
    """The datasets whose latency was measured with other settings or of other systems.

    On whichever machine: the timings themselves say on which.
    """
    measured = {
        (entry["dataset"], key)
        for entry in results.plan["costs"]
        for key in entry["folder"].split("--")[1:]
    }
    wanted = {
        (one.dataset.name, one.key[:12]) for one in plan.cost_stages() if one.kind == "latency"
    }
    return {dataset for dataset, _ in wanted - measured}


def _differing(trial: Trial, facts: Mapping[str, Any]) -> str:
    """What the trial is of now and its result is not; `facts` are those of the result."""
    now = {
        **trial.system.configuration(),
        "dataset": data_facts(trial.dataset),
        "model": trial.identities(),
    }
    then = {
        **facts["system"],
        "dataset": {name: facts["dataset"][name] for name in now["dataset"]},
        "model": facts["identities"],
    }
    found = [
        DIGEST.sub(r"\1", f"{path}: {old} -> {new}")
        for path, old, new in differences(placeless(then), placeless(now))
        if path != "name"
    ]
    more = [f"{len(found) - NAMED} more"] if len(found) > NAMED else []
    return "; ".join([*found[:NAMED], *more]) or "the code that computes it, or its packages"
