"""The command line: the only file that prints or sets exit codes."""

from __future__ import annotations

import argparse
import functools
import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.arguments import ACCEPT, OPTIONS, command, dataset_names, dataset_spec, filled, options
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
    logging.basicConfig(level=told.level, format="%(name)s: %(message)s", handlers=[told])
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
    print(f"harness: {message}", file=sys.stderr)
    return code


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
    say = closing.as_json if arguments.json else closing.as_text
    print(say(analysis, execution, report))
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
    print(listed.plan_text(plan, store, arguments.cache))
    return EXIT_OK


def _for_a_moment() -> None:
    """Prepare for a command that ends within seconds; before anything imports numpy."""
    # Threads wait for each other, on a busy machine three times as long as they work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import pandas as pd

    pd.set_option("mode.string_storage", "python")  # columns are short and read cell by cell
    gc.set_threshold(100_000)  # hardly anything that is made can go before the end


def _results_folder(arguments: argparse.Namespace, *names: str) -> Path:
    """Where a run lies that was given these options, and the datasets of these names."""
    from harness.places import results_name

    name = results_name(arguments.file, arguments.weights, names, quick=arguments.quick)
    return Path(arguments.results, name)


def _results_of(arguments: argparse.Namespace) -> Path:
    return _results_folder(arguments, *dataset_names(list(map(dataset_spec, arguments.dataset))))


def _report(arguments: argparse.Namespace) -> int:
    _for_a_moment()
    from harness.config import load_decision

    decision = load_decision(arguments.file)
    analysis, report = _write_report(_results_of(arguments), decision)
    print(f"Report: {report}")
    print(f"Decision: {analysis.decision.headline}")
    return EXIT_OK


def _why(arguments: argparse.Namespace) -> int:
    _for_a_moment()
    from harness.analysis.why import why
    from harness.side_by_side import why_text
    from harness.store import load_results

    given = _results_folder(arguments, *filter(None, [arguments.of]))
    results = load_results(given if given.exists() else _results_folder(arguments))
    found = why(results, arguments.query_id, arguments.of, arguments.system)
    print(why_text(found, results.plan["metrics"], arguments.top))
    return EXIT_OK


def _export(arguments: argparse.Namespace) -> int:
    _for_a_moment()
    from harness.analysis.compare import leaderboard
    from harness.report.export import export
    from harness.store import load_results

    if arguments.system:
        return _export_model(arguments)
    results = load_results(_results_of(arguments))
    written, missing = export(results, leaderboard(results), arguments.folder)
    for file in written:
        print(file)
    if missing:
        print(f"harness: {missing}", file=sys.stderr)
    return EXIT_OK


def _export_model(arguments: argparse.Namespace) -> int:
    from harness.learning.copies import copy

    for folder in copy(_experiment(arguments), arguments.system, arguments.folder):
        print(folder)
    return EXIT_OK


def _gate(arguments: argparse.Namespace) -> int:
    _for_a_moment()
    from harness import gating

    datasets = [dataset_spec(text) for text in arguments.dataset]
    folders = arguments.results, arguments.baselines
    ways_out = command("run", arguments), command("gate", arguments, **ACCEPT)
    weights, quick = arguments.weights, arguments.quick
    request = gating.Request(arguments.file, *folders, datasets, weights, *ways_out, quick)
    if arguments.accept:
        print(gating.accepted(request, arguments.reason))
        return EXIT_OK
    status, said = gating.judged(request, arguments.junit, arguments.markdown)
    print(said)
    return {"pass": EXIT_OK, "fail": EXIT_REGRESSION}.get(status, EXIT_NO_VERDICT)


def _claims(arguments: argparse.Namespace) -> int:
    _for_a_moment()
    from harness import claim_lines
    from harness.analysis.claims import judge
    from harness.analysis.evidence import Stored
    from harness.claim_file import load_claims
    from harness.places import found_in
    from harness.store import load_results

    found = load_claims(arguments.file)
    folders = found_in(arguments.results, found.experiments, arguments.dataset)
    results = {key: load_results(folder) for key, folder in folders.items()}
    given = options("run", arguments)
    stored = Stored(results, found.datasets, arguments.file.parent, given)
    say = claim_lines.as_json if arguments.json else claim_lines.as_text
    print(say([judge(claim, stored) for claim in found.claims]))
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
        say = functools.partial(print, ready, flush=True)
        requests = host.run(service, here, say, limits.connections)
    print(f"Stopped after {counted(requests, 'request')}.")
    return EXIT_OK


def _list(arguments: argparse.Namespace) -> int:
    from harness import closing, listed, registry, systems

    for kind in [arguments.kind] if arguments.kind else (*registry.KINDS, "models", "systems"):
        if kind == "models":
            print(listed.models_text())
        elif kind == "systems":
            print(systems.text(closing.WIDTH))
        else:
            print(listed.components_text(kind))
    return EXIT_OK


def _doctor(arguments: argparse.Namespace) -> int:
    del arguments
    from harness import listed

    print(listed.doctor_text())
    return EXIT_OK


def _fetch(arguments: argparse.Namespace) -> int:
    from harness import models
    from harness.execute import load_dataset
    from harness.plan import make_plan

    plan = make_plan(_experiment(arguments))
    for wanted, use in plan.models().items():
        print(f"{wanted}: {models.fetch(wanted.reference, use, wanted.file).folder}")
    for choice in plan.experiment.datasets:
        print(f"{choice.name}: {counted(len(load_dataset(choice).docs), 'document')}")
    return EXIT_OK


def _onnx(arguments: argparse.Namespace) -> int:
    from harness.onnx_export import export

    files, agreement = export(arguments.model, arguments.folder)
    print(*files, sep="\n")
    print(f"On sample texts {agreement.of} is {agreement.value:.3f} between int8 and float32.")
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
