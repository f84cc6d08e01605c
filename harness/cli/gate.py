"""The gate of an experiment, from files to files: its rules, stored results, and the baseline."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.analysis.gate.baseline import accept
from harness.analysis.gate.baseline_files import read_baseline, write_baseline
from harness.analysis.gate.judge import judge
from harness.analysis.gate.junit import gate_junit
from harness.analysis.gate.markdown import gate_markdown
from harness.analysis.gate.text import accepted_text, gate_text
from harness.errors import ConfigError, InputError
from harness.experiment.plan import Plan, make_plan
from harness.experiment.reading import load_experiment
from harness.experiment.result_folders import Weights
from harness.experiment.schema import quickened
from harness.files import disk
from harness.results.store import Results, load_results


@dataclass(frozen=True)
class Request:
    """Which results are compared with which baseline."""

    file: Path
    """The experiment; its `gate:` block as it stands now has the rules."""
    results: Path
    """The folder of all experiments' results."""
    baselines: Path
    datasets: Sequence[Any] = ()
    """Specifications that replace those of the file, as they did in the run."""
    weights: Weights = "real"
    run: str = "python -m harness run FILE"
    """The command that makes such results, and ..."""
    accept: str = 'python -m harness gate FILE --accept --reason "..."'
    """... that which accepts them."""
    quick: bool = False
    """Whether the run spent less time on latency."""


def accepted(request: Request, reason: str | None) -> str:
    """Store the results as the baseline; returns what changed with that.

    Raises InputError without a reason, while something that is judged has no result, or where the
    baseline before is damaged, because what changed could not be told.
    """
    if not (reason or "").strip():
        raise InputError(
            'Nothing was accepted: --accept needs a reason, --reason "...", for those who will '
            "ask why the numbers changed."
        )
    plan, results = _read(request)
    before = read_baseline(request.baselines, plan.experiment.name)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    after = accept(results, plan, " ".join(str(reason).split()), today)
    table = write_baseline(request.baselines, plan.experiment.name, after)
    return accepted_text(before, after, table)


def judged(request: Request, junit: Path | None, markdown: Path | None) -> tuple[str, str]:
    """The gate's status and what the terminal says; writes the files that are asked for.

    Raises InputError where the experiment has no rules or nothing was accepted yet.
    """
    plan, results = _read(request)
    experiment = plan.experiment
    baseline = read_baseline(request.baselines, experiment.name)
    if baseline is None:
        raise InputError(
            f"Nothing was accepted for {experiment.name} yet: there is no {experiment.name}.csv in "
            f"{request.baselines}. Look at the report; if later results must be as good, run "
            f"`{request.accept}` and commit what it writes."
        )
    gate = judge(results, baseline, plan)
    if junit is not None:
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        disk.write(junit, gate_junit(gate, now))
    if markdown is not None:
        disk.write(markdown, gate_markdown(gate, results))
    return gate.status, gate_text(gate, request.run, request.accept)


def _read(request: Request) -> tuple[Plan, Results]:
    """What the file asks for now, by the content of its files, and what was measured."""
    experiment = load_experiment(request.file, request.datasets, request.weights)
    experiment = quickened(experiment) if request.quick else experiment
    if not experiment.gate:
        raise ConfigError(
            f"{request.file} has no rules: add `gate: [{{metric: {experiment.metrics[0]}, margin: "
            "0.01}]`, the most that the mean of a metric may lose."
        )
    results = load_results(request.results / experiment.name)
    return make_plan(experiment), results
