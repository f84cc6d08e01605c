"""The command line: each command, from its options to its exit code."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import exits
from harness.cli.options import ACCEPT, OPTIONS, command, filled, options
from harness.cli.quick_start import for_a_moment
from harness.cli.streams import Formatter, complain, heard, say
from harness.components.models import hub
from harness.experiment.result_folders import check_here
from harness.page.text import counted

if TYPE_CHECKING:
    from harness.experiment.schema import Experiment

log = logging.getLogger(__name__)

DESCRIPTION = """\
Is ColBERT late interaction worth its latency and storage, compared with a cross-encoder on top of
dense retrieval? An experiment file asks it; `run` answers with a report."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Raises SystemExit where `argv` is no command."""
    arguments = argparse.Namespace()
    try:
        arguments = _parsed(argv)
        _prepare(arguments)
        return _done(arguments)
    except (Exception, KeyboardInterrupt) as error:
        log.debug("the command broke off", exc_info=True)
        code, told = exits.ending(error)
        return _complain(filled(told, arguments), code)


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    try:
        return _parser().parse_args(argv)
    except SystemExit:
        with heard():  # of `--help`, too, only a part may be read
            pass
        raise


def _prepare(arguments: argparse.Namespace) -> None:
    """Before anything reads it from there: what libraries log, the network, where things lie."""
    told = logging.StreamHandler()
    told.setLevel(logging.DEBUG if arguments.verbose else logging.WARNING)
    told.setFormatter(Formatter("%(name)s: %(message)s"))
    logging.basicConfig(level=told.level, handlers=[told])
    hub.tell_libraries(online=arguments.command is _fetch)
    check_here()
    if "cache" in arguments:  # for every process that loads a model which was trained
        from harness.components.models.references import TRAINED_IN

        os.environ[TRAINED_IN] = str(arguments.cache.resolve())


def _done(arguments: argparse.Namespace) -> int:
    try:
        code: int = arguments.command(arguments)
    except SystemExit as error:  # its code could be taken for one of ours
        told = RuntimeError(f"the process was to exit with {error.code}")
        raise told.with_traceback(error.__traceback__) from error
    return code


def _complain(message: str, code: int) -> int:
    complain(f"harness: {message}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description=DESCRIPTION,
        epilog=exits.EPILOG,
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
    from harness.experiment.dataset_option import dataset_spec
    from harness.experiment.reading import load_experiment
    from harness.experiment.schema import quickened

    datasets = [dataset_spec(text) for text in arguments.dataset]
    experiment = load_experiment(arguments.file, datasets, arguments.weights)
    return quickened(experiment) if arguments.quick else experiment


def _run(arguments: argparse.Namespace) -> int:
    from harness.components.timing.clock import Clock

    clock = Clock()
    from harness.cli import run_summary
    from harness.cli.progress import Bars
    from harness.execution import fetch
    from harness.execution.execute import Execution
    from harness.experiment.plan import make_plan
    from harness.report.stored import write_report
    from harness.results.store import Store

    experiment = _experiment(arguments)
    plan = make_plan(experiment)
    plan = make_plan(experiment) if fetch.fetch_models(plan) else plan
    store = Store(arguments.results, experiment.name)
    with Bars(sys.stderr) as progress:
        execution = Execution(plan, store, arguments.cache, progress, clock)
        execution.execute()
    with clock.kind("report"):
        analysis, report = write_report(store.folder)
    told = run_summary.as_json if arguments.json else run_summary.as_text
    say(told(analysis, execution, report))
    return exits.FAILED if execution.failures else exits.OK


def _plan(arguments: argparse.Namespace) -> int:
    from harness.cli import listings
    from harness.experiment.plan import make_plan
    from harness.results.store import Store

    plan = make_plan(_experiment(arguments))
    store = Store(arguments.results, plan.experiment.name)
    say(listings.plan_text(plan, store, arguments.cache))
    return exits.OK


def _results_folder(arguments: argparse.Namespace, *names: str) -> Path:
    """Where a run lies that was given these options, and the datasets of these names."""
    from harness.experiment.result_folders import results_name

    name = results_name(arguments.file, arguments.weights, names, quick=arguments.quick)
    return Path(arguments.results, name)


def _results_of(arguments: argparse.Namespace) -> Path:
    from harness.experiment.dataset_option import dataset_names, dataset_spec

    return _results_folder(arguments, *dataset_names(list(map(dataset_spec, arguments.dataset))))


def _report(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness.experiment.reading import load_decision
    from harness.report.stored import write_report

    decision = load_decision(arguments.file)
    analysis, report = write_report(_results_of(arguments), decision)
    say(f"Report: {report}\nDecision: {analysis.decision.headline}")
    return exits.OK


def _why(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness.analysis.quality.one_query import why
    from harness.analysis.quality.one_query_text import why_text
    from harness.results.store import load_results

    given = _results_folder(arguments, *filter(None, [arguments.of]))
    results = load_results(given if given.exists() else _results_folder(arguments))
    found = why(results, arguments.query_id, arguments.of, arguments.system)
    say(why_text(found, results.plan["metrics"], arguments.top))
    return exits.OK


def _export(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness.analysis.quality.leaderboard import leaderboard
    from harness.report.export import export
    from harness.results.store import load_results

    if arguments.system:
        return _export_model(arguments)
    results = load_results(_results_of(arguments))
    written, missing = export(results, leaderboard(results), arguments.folder)
    for file in written:
        say(file)
    if missing:
        _complain(missing, exits.OK)
    return exits.OK


def _export_model(arguments: argparse.Namespace) -> int:
    from harness.training.copies import copy

    for folder in copy(_experiment(arguments), arguments.system, arguments.folder):
        say(folder)
    return exits.OK


def _gate(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness.cli import gate
    from harness.experiment.dataset_option import dataset_spec

    datasets = [dataset_spec(text) for text in arguments.dataset]
    folders = arguments.results, arguments.baselines
    ways_out = command("run", arguments), command("gate", arguments, **ACCEPT)
    weights, quick = arguments.weights, arguments.quick
    request = gate.Request(arguments.file, *folders, datasets, weights, *ways_out, quick)
    if arguments.accept:
        say(gate.accepted(request, arguments.reason))
        return exits.OK
    status, said = gate.judged(request, arguments.junit, arguments.markdown)
    say(said)
    return {"pass": exits.OK, "fail": exits.WORSE}.get(status, exits.NO_VERDICT)


def _claims(arguments: argparse.Namespace) -> int:
    for_a_moment()
    from harness.analysis.claims import lines
    from harness.cli import claims

    given = options("run", arguments)
    found = claims.verdicts(arguments.file, arguments.results, arguments.dataset, given)
    say(lines.as_json(found) if arguments.json else lines.as_text(found))
    return exits.OK


def _serve(arguments: argparse.Namespace) -> int:
    from harness.components.servers.client import token_in
    from harness.experiment.reading import load_experiment
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
    return exits.OK


def _list(arguments: argparse.Namespace) -> int:
    from harness.cli import listings

    for kind in [arguments.kind] if arguments.kind else listings.KINDS:
        say(listings.kind_text(kind))
    return exits.OK


def _doctor(arguments: argparse.Namespace) -> int:
    del arguments
    from harness.cli import listings

    say(listings.doctor_text())
    return exits.OK


def _fetch(arguments: argparse.Namespace) -> int:
    from harness.execution import fetch
    from harness.experiment.plan import make_plan

    for told in fetch.fetch(make_plan(_experiment(arguments))):
        say(told)
    return exits.OK


def _onnx(arguments: argparse.Namespace) -> int:
    from harness.training.onnx_export import export

    files, agreement = export(arguments.model, arguments.folder)
    say("\n".join(map(str, files)))
    say(f"On sample texts {agreement.of} is {agreement.value:.3f} between int8 and float32.")
    return exits.OK


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
