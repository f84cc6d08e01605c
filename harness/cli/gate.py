"""`gate`: stored results compared with accepted ones by an experiment's rules, or accepted."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import exits
from harness.cli.arguments import Command, add_file, add_part, experiment_of, suggested
from harness.cli.runs import RUN
from harness.cli.streams import say
from harness.errors import ConfigError, InputError

if TYPE_CHECKING:
    from harness.experiment.plan import Plan
    from harness.results.store import Results


def _add_arguments(sub: argparse.ArgumentParser) -> None:
    add_file(sub)
    add_part(sub)
    folder = Path("results/baselines")
    sub.add_argument("--accept", action="store_true", help="later results must keep these")
    sub.add_argument("--reason", metavar="TEXT", help="why they are accepted")
    sub.add_argument(
        "--baselines", metavar="DIR", type=Path, default=folder, help=f"default: {folder}"
    )
    sub.add_argument("--junit", metavar="OUT", type=Path, help="write JUnit XML")
    sub.add_argument("--markdown", metavar="OUT", type=Path, help="write a pull request comment")


def _gate(arguments: argparse.Namespace) -> int:
    return _accept(arguments) if arguments.accept else _judge(arguments)


def _accept(arguments: argparse.Namespace) -> int:
    """Store the results as the baseline, and say what changed with that.

    Raises InputError without a reason, while something that is judged has no result, or where the
    baseline before is damaged, because nobody could say what changed.
    """
    from harness.analysis.gate.baseline import accept
    from harness.analysis.gate.baseline_files import read_baseline, write_baseline
    from harness.analysis.gate.text import accepted_text

    reason = " ".join((arguments.reason or "").split())
    if not reason:
        raise InputError(
            'Nothing was accepted: --accept needs a reason, --reason "...", because people will '
            "ask why the numbers changed."
        )
    plan, results = _read(arguments)
    before = read_baseline(arguments.baselines, plan.experiment.name)
    after = accept(results, plan, reason, time.strftime("%Y-%m-%d", time.gmtime()))
    table = write_baseline(arguments.baselines, plan.experiment.name, after)
    say(accepted_text(before, after, table))
    return exits.OK


def _judge(arguments: argparse.Namespace) -> int:
    """Say the verdicts, and write the files that are asked for.

    Raises InputError where the experiment has no rules or nothing was accepted yet.
    """
    from harness.analysis.gate.baseline_files import read_baseline
    from harness.analysis.gate.judge import judge
    from harness.analysis.gate.junit import gate_junit
    from harness.analysis.gate.markdown import gate_markdown
    from harness.analysis.gate.text import gate_text
    from harness.files import disk

    plan, results = _read(arguments)
    name = plan.experiment.name
    baseline = read_baseline(arguments.baselines, name)
    accept = suggested(GATE, arguments, accept=True, reason="...", junit=None, markdown=None)
    if baseline is None:
        raise InputError(
            f"Nothing was accepted for {name} yet: there is no {name}.csv in "
            f"{arguments.baselines}. Look at the report; if later results must be as good, run "
            f"`{accept}` and commit what it writes."
        )
    gate = judge(results, baseline, plan)
    if arguments.junit is not None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        disk.write(arguments.junit, gate_junit(gate, now))
    if arguments.markdown is not None:
        disk.write(arguments.markdown, gate_markdown(gate, results))
    say(gate_text(gate, suggested(RUN, arguments), accept))
    return {"pass": exits.OK, "fail": exits.WORSE, "no verdict": exits.NO_VERDICT}[gate.status]


def _read(arguments: argparse.Namespace) -> tuple[Plan, Results]:
    """What the file asks for now, by the content of its files, and what was measured."""
    from harness.experiment.plan import make_plan
    from harness.results.store import load_results

    experiment = experiment_of(arguments)
    if not experiment.gate:
        raise ConfigError(
            f"{arguments.file} has no rules: add `gate: [{{metric: {experiment.metrics[0]}, margin: "
            "0.01}]`, the most that the mean of a metric may lose."
        )
    results = load_results(arguments.results / experiment.name)
    return make_plan(experiment), results


GATE = Command(
    "gate",
    "compare stored results with accepted ones; exit 1: worse, 4: no verdict",
    _add_arguments,
    _gate,
    is_short=True,
)
