"""`run` and `plan`: what an experiment asks for is done; or shown, with what is done already."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import exits
from harness.cli.arguments import Command, add_plan, experiment_of
from harness.cli.streams import complain, say
from harness.page.terminal import paragraph
from harness.page.text import counted

if TYPE_CHECKING:
    from harness.components.models.references import Wanted
    from harness.components.protocols import Progress
    from harness.execution.ray_nodes import Nodes
    from harness.experiment.plan import Plan, Trial
    from harness.results.store import Store


def _add_run(sub: argparse.ArgumentParser) -> None:
    add_plan(sub)
    sub.add_argument(
        "--executor",
        choices=("here", "ray"),
        help="where the work is done: in this process, or on all nodes of a Ray cluster that share "
        "the folders of results and cache (default: what the file says, otherwise here)",
    )
    sub.add_argument(
        "--address", help="of the Ray cluster, HOST:PORT (default: the file's, or auto)"
    )
    sub.add_argument("--json", action="store_true", help="print the closing summary as JSON")


def _run(arguments: argparse.Namespace) -> int:
    from harness.components.timing import KINDS, recording, span

    with recording(KINDS) as seconds, span("other"):
        from harness.cli import run_summary
        from harness.cli.progress import Bars
        from harness.execution import fetch
        from harness.execution.execute import Execution
        from harness.experiment import remote_code
        from harness.experiment.plan import make_plan
        from harness.report.render import report_stored
        from harness.results.store import Store

        experiment = experiment_of(arguments)
        plan = make_plan(experiment)
        for line in remote_code.sentences(experiment.left_out):
            complain(line)
        plan = make_plan(experiment) if fetch.fetch_models(plan) else plan
        store = Store(arguments.results, experiment.name)
        with (
            contextlib.closing(Bars(sys.stderr)) as progress,
            _nodes(arguments, plan, store, progress) as nodes,
        ):
            plan = nodes.plan if nodes else plan
            execution = Execution(plan, store, arguments.cache, progress, nodes, progress.stage)
            execution.execute()
        with span("report"):
            analysis, report = report_stored(store.folder)
    summary = run_summary.as_json if arguments.json else run_summary.as_text
    say(summary(analysis, execution, seconds, report))
    return exits.FAILED if execution.failures else exits.OK


def _nodes(
    arguments: argparse.Namespace, plan: Plan, store: Store, progress: Progress
) -> AbstractContextManager[Nodes | None]:
    """The nodes of the cluster that is asked for; None for this process."""
    block = plan.experiment.executor
    if (arguments.executor or (block and block.use)) != "ray":
        return contextlib.nullcontext()
    from harness.execution import ray_cluster

    address = arguments.address or (block.address if block else "auto")
    return ray_cluster.connected(address, plan, store.folder, arguments.cache, progress)


def _plan(arguments: argparse.Namespace) -> int:
    from harness.experiment.plan import make_plan
    from harness.results.store import Store

    plan = make_plan(experiment_of(arguments))
    store = Store(arguments.results, plan.experiment.name)
    say(plan_text(plan, store, arguments.cache))
    say(_stages_text(plan, store, arguments.cache, every=arguments.verbose))
    return exits.OK


def _stages_text(plan: Plan, store: Store, cache: Path, *, every: bool) -> str:
    """How many stages are to be done and how long they take; with `every`, what each one does."""
    from harness.execution.estimate import size_of
    from harness.execution.execute import overview
    from harness.pipeline.datasets import stored_dataset

    choices = plan.experiment.datasets
    read = {choice.name: stored_dataset(choice, cache) for choice in choices}
    sizes = {name: size_of(dataset) for name, dataset in read.items() if dataset is not None}
    found = overview(plan, store, cache, sizes)
    lines = [found.estimate(), f"Stages: {found.counts()}."] if found.steps else [found.estimate()]
    if every:
        lines += found.titles()
    elif found.steps:
        lines.append("--verbose lists them.")
    return "\n".join(line for text in lines for line in paragraph(text))


def plan_text(plan: Plan, store: Store, cache: Path) -> str:
    """The tree of stages: what is done, what is cached, what must be downloaded."""
    from harness.experiment import remote_code

    pending = {trial.folder for trial in store.pending(plan)}
    lines = [*paragraph(plan.experiment.question), ""]
    shown: set[str] = set()
    for trial in plan.trials:
        lines += _trial_lines(trial, trial.folder in pending, cache, shown)
    cost_stages = {one.folder for one in store.pending_cost_stages(plan)}
    for one in plan.cost_stages():
        left_out = store.left_out(one)
        state = "done" if one.folder not in cost_stages else "to do again" if left_out else "to do"
        said = f"{one.dataset.name} / {one.kind} of {counted(len(one.trials), 'system')}: {state}"
        lacks = [f"without {system}: {reason}" for system, reason in (left_out or {}).items()]
        lines += paragraph("; ".join([said, *lacks]))
    for line in remote_code.sentences(plan.experiment.left_out):
        lines += paragraph(line)
    trials = sum(not trial.random_weights for trial in plan.trials)
    to_do = f"{len(pending)} of {counted(trials, 'trial')} to do."
    return "\n".join([*lines, "", *_model_lines(plan.models()), to_do])


def _trial_lines(trial: Trial, is_pending: bool, cache: Path, shown: set[str]) -> Iterator[str]:
    """A trial with its stages; `shown` are the keys of stages, to which these are added."""
    from harness.components import registry
    from harness.components.models import references
    from harness.files import digests

    undone = "to do" if is_pending else "done"
    random = trial.random_weights
    state = "quality is not measured, because its weights are random" if random else undone
    yield from paragraph(f"{trial.dataset.name} / {trial.system.name}: {state}")
    for training in trial.trainings:
        there = "cached" if references.is_trained(training.reference) else "to do"
        yield f"  train a {training.training.makes} [{training.key[:12]}]: {there}"
    for stage in () if random else trial.stages:
        use = registry.config_of(stage.component)["use"]
        note = undone
        if stage.key in shown:
            note = "shared with a system above"
        elif digests.is_whole(cache / "runs" / stage.key[:32]):
            note = "cached"
        shown.add(stage.key)
        yield f"  {stage.kind} {use}, depth {stage.depth} [{stage.key[:12]}]: {note}"


def _model_lines(wanted: Iterable[Wanted]) -> Iterator[str]:
    from harness.components.models import references
    from harness.errors import ModelError, PackageError

    for one in wanted:
        try:
            found = references.find(*one)
        except (ModelError, PackageError) as error:
            yield from paragraph(str(error))
        else:
            yield f"model {one}: {'here' if found else 'must be downloaded'}"


RUN = Command("run", "run what is not done, and write the report", _add_run, _run)
PLAN = Command("plan", "show what a run would do; runs nothing", add_plan, _plan)
