"""The command line: the only file that prints or sets exit codes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.arguments import ACCEPT, OPTIONS, command, filled, options
from harness.momentary import for_a_moment
from harness.terminal import Formatter, say
from harness.words import counted

if TYPE_CHECKING:
    from harness.analysis.compare import Analysis
    from harness.settings import Decision, Experiment

EXIT_OK, EXIT_MEND, EXIT_FAILED = 0, 2, 3
EXIT_REGRESSION, EXIT_NO_VERDICT = 1, 4

DESCRIPTION = """\
Is ColBERT late interaction worth its latency and storage, compared with a cross-encoder on top of
dense retrieval? An experiment file asks it; `run` answers with a report."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = _parser().parse_args(argv)
    told = logging.StreamHandler()
    told.setLevel(logging.DEBUG if arguments.verbose else logging.WARNING)
    told.setFormatter(Formatter("%(name)s: %(message)s"))
    logging.basicConfig(level=told.level, handlers=[told])
    from harness.errors import HarnessError, InputError

    if "cache" in arguments:  # for every process that loads a model which was trained
        from harness.models import TRAINED_IN

        os.environ[TRAINED_IN] = str(arguments.cache.resolve())
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except HarnessError as error:
        mend = isinstance(error, InputError)
        return _complain(filled(str(error), arguments), EXIT_MEND if mend else EXIT_FAILED)
    except BrokenPipeError:  # the reader, such as `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        return _complain("Stopped. Run the same command again to go on.", 130)
    return code


def _complain(message: str, code: int) -> int:
    say(f"harness: {message}", sys.stderr)
    return code


def _stored(folder: Path) -> AbstractContextManager[None]:
    """Whatever stored results bring about is told of them."""
    from harness import bounds, errors

    return bounds.reading(f"The results in {folder}", errors.StoreError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, does, summary in COMMANDS:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(command=does)
        sub.add_argument("--verbose", action="store_true", help="log what the libraries say")
        OPTIONS[name](sub)
    return parser


def _experiment(arguments: argparse.Namespace) -> Experiment:
    from harness.config import load_experiment
    from harness.dataset_option import dataset_spec
    from harness.settings import quickened

    datasets = [dataset_spec(text) for text in arguments.dataset]
    experiment = load_experiment(arguments.file, datasets, arguments.weights)
    return quickened(experiment) if arguments.quick else experiment


def _run(arguments: argparse.Namespace) -> int:
    from harness.clock import Clock

    clock = Clock()
    from harness import closing, models
    from harness.execute import Execution
    from harness.plan import make_plan
    from harness.progress import Bars
    from harness.store import Store

    experiment = _experiment(arguments)
    plan = make_plan(experiment)
    absent = {wanted: use for wanted, use in plan.models().items() if models.find(*wanted) is None}
    for wanted, use in absent.items():
        models.fetch(wanted.reference, use, wanted.file)
    plan = make_plan(experiment) if absent else plan
    store = Store(arguments.results, experiment.name)
    with Bars(sys.stderr) as progress:
        execution = Execution(plan, store, arguments.cache, progress, clock)
        execution.execute()
    with clock.kind("report"):
        analysis, report = _write_report(store.folder)
    told = closing.as_json if arguments.json else closing.as_text
    say(told(analysis, execution, report))
    return EXIT_FAILED if execution.failures else EXIT_OK


def _write_report(folder: Path, decision: Decision | None = None) -> tuple[Analysis, Path]:
    """The report on stored results, decided by other terms than theirs if they are given."""
    from harness.analysis.compare import analyse
    from harness.analysis.terms import with_decision
    from harness.report.render import write_report
    from harness.store import load_results

    results = load_results(folder)
    if decision is not None:
        results = with_decision(results, **decision.model_dump(mode="json"))
    analysis = analyse(results)
    return analysis, write_report(results, analysis)


def _plan(arguments: argparse.Namespace) -> int:
    from harness import listed
    from harness.plan import make_plan
    from harness.store import Store

    plan = make_plan(_experiment(arguments))
    store = Store(arguments.results, plan.experiment.name)
    say(listed.plan_text(plan, store, arguments.cache))
    return EXIT_OK


def _results_folder(arguments: argparse.Namespace, *names: str) -> Path:
    """Where a run lies that was given these options, and the datasets of these names."""
    from harness.places import results_name

    name = results_name(arguments.file, arguments.weights, names, quick=arguments.quick)
    return Path(arguments.results, name)


def _results_of(arguments: argparse.Namespace) -> Path:
    from harness.dataset_option import dataset_names, dataset_spec

    return _results_folder(arguments, *dataset_names(list(map(dataset_spec, arguments.dataset))))


def _report(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness.config import load_decision

    decision = load_decision(arguments.file)
    with _stored(folder := _results_of(arguments)):
        analysis, report = _write_report(folder, decision)
    say(f"Report: {report}\nDecision: {analysis.decision.headline}")
    return EXIT_OK


def _why(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness.analysis.why import why
    from harness.side_by_side import why_text
    from harness.store import load_results

    given = _results_folder(arguments, *filter(None, [arguments.of]))
    folder = given if given.exists() else _results_folder(arguments)
    with _stored(folder):
        results = load_results(folder)
        found = why(results, arguments.query_id, arguments.of, arguments.system)
        text = why_text(found, results.plan["metrics"], arguments.top)
    say(text)
    return EXIT_OK


def _export(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness.analysis.compare import leaderboard
    from harness.report.export import export
    from harness.store import load_results

    if arguments.system:
        return _export_model(arguments)
    with _stored(folder := _results_of(arguments)):
        results = load_results(folder)
        written, missing = export(results, leaderboard(results), arguments.folder)
    for file in written:
        say(file)
    if missing:
        _complain(missing, EXIT_OK)
    return EXIT_OK


def _export_model(arguments: argparse.Namespace) -> int:
    from harness.learning.copies import copy

    for folder in copy(_experiment(arguments), arguments.system, arguments.folder):
        say(folder)
    return EXIT_OK


def _gate(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness import gating
    from harness.dataset_option import dataset_spec

    datasets = [dataset_spec(text) for text in arguments.dataset]
    folders = arguments.results, arguments.baselines
    ways_out = command("run", arguments), command("gate", arguments, **ACCEPT)
    weights, quick = arguments.weights, arguments.quick
    request = gating.Request(arguments.file, *folders, datasets, weights, *ways_out, quick)
    with _stored(arguments.results):
        if arguments.accept:
            status, said = "pass", gating.accepted(request, arguments.reason)
        else:
            status, said = gating.judged(request, arguments.junit, arguments.markdown)
    say(said)
    return {"pass": EXIT_OK, "fail": EXIT_REGRESSION}.get(status, EXIT_NO_VERDICT)


def _claims(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness import claim_lines, judging

    given = options("run", arguments)
    with _stored(arguments.results):
        found = judging.verdicts(arguments.file, arguments.results, arguments.dataset, given)
    say(claim_lines.as_json(found) if arguments.json else claim_lines.as_text(found))
    return EXIT_OK


def _serve(arguments: argparse.Namespace) -> int:
    from harness.config import load_experiment
    from harness.endpoints.client import token_in
    from harness.service import host
    from harness.service.limits import Limits

    system = host.chosen(load_experiment(arguments.file), arguments.system)
    token = token_in(arguments.token_env)
    limits = Limits(**{name: getattr(arguments, f"max_{name}") for name in Limits._fields})
    with host.bound(arguments.host, arguments.port) as here:
        service = host.service(system, limits, token)
        where = host.url(here)
        routes = "POST /rerank, GET /docs, GET /info, GET /health"
        ready = f"Ready: {system.name} at {where} ({routes}). Ctrl-C stops it."
        requests = host.run(service, here, lambda: say(ready), limits.connections)
    say(f"Stopped after {counted(requests, 'request')}.")
    return EXIT_OK


def _list(arguments: argparse.Namespace) -> int:
    from harness import closing, listed, registry, systems

    for kind in [arguments.kind] if arguments.kind else (*registry.KINDS, "models", "systems"):
        if kind == "models":
            say(listed.models_text())
        elif kind == "systems":
            say(systems.text(closing.WIDTH))
        else:
            say(listed.components_text(kind))
    return EXIT_OK


def _doctor(arguments: argparse.Namespace) -> int:
    del arguments
    from harness import listed

    say(listed.doctor_text())
    return EXIT_OK


def _fetch(arguments: argparse.Namespace) -> int:
    from harness import models
    from harness.execute import load_dataset
    from harness.plan import make_plan

    plan = make_plan(_experiment(arguments))
    for wanted, use in plan.models().items():
        say(f"{wanted}: {models.fetch(wanted.reference, use, wanted.file).folder}")
    for choice in plan.experiment.datasets:
        say(f"{choice.name}: {counted(len(load_dataset(choice).docs), 'document')}")
    return EXIT_OK


def _onnx(arguments: argparse.Namespace) -> int:
    from harness.onnx_export import export

    files, agreement = export(arguments.model, arguments.folder)
    say("\n".join(map(str, files)))
    say(f"On sample texts {agreement.of} is {agreement.value:.3f} between int8 and float32.")
    return EXIT_OK


COMMANDS = (
    ("run", _run, "run what is not done, and write the report"),
    ("plan", _plan, "show what a run would do; runs nothing"),
    ("report", _report, "write the report again from stored results"),
    ("why", _why, "show one query side by side: ranks, scores, judgements, what was cut"),
    ("export", _export, "write runs and tables for other programs, or a copy of a trained model"),
    ("gate", _gate, "compare stored results with accepted ones; exit 1: worse, 4: no verdict"),
    ("fetch", _fetch, "download the models and datasets of an experiment"),
    ("onnx", _onnx, "write a model for torch as ONNX, in float32 and int8"),
    ("claims", _claims, "judge claims from stored results"),
    ("serve", _serve, "answer requests to rerank over HTTP with a system's reranker"),
    ("list", _list, "list components and their settings, known models and systems"),
    ("doctor", _doctor, "show the machine, the packages and what is missing"),
)
