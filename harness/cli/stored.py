"""`report`, `why` and `export`: what is made of stored results."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli import exits
from harness.cli.arguments import (
    Command,
    add_file,
    add_one_dataset,
    add_part,
    add_plan,
    add_quick,
    count,
    experiment_of,
    one_dataset,
    results_folder,
)
from harness.cli.streams import say


def _results_of(arguments: argparse.Namespace) -> Path:
    from harness.experiment.dataset_option import dataset_names, dataset_spec

    return results_folder(arguments, dataset_names(list(map(dataset_spec, arguments.dataset))))


def _add_report(sub: argparse.ArgumentParser) -> None:
    add_file(sub)
    add_part(sub)


def _report(arguments: argparse.Namespace) -> int:
    from harness.experiment.reading import load_decision
    from harness.report.render import report_stored

    decision = load_decision(arguments.file)
    analysis, report = report_stored(_results_of(arguments), decision)
    say(f"Report: {report}\nDecision: {analysis.decision.headline}")
    return exits.OK


def _add_why(sub: argparse.ArgumentParser) -> None:
    add_file(sub)
    add_quick(sub)
    sub.add_argument("query_id", metavar="QUERY_ID", help="as it stands in the dataset")
    add_one_dataset(sub)
    sub.add_argument(
        "--system",
        metavar="NAME",
        action="append",
        default=[],
        help="show this system; may be repeated (default: all)",
    )
    sub.add_argument("--top", metavar="N", type=count, default=3, help="documents (default: 3)")


def _why(arguments: argparse.Namespace) -> int:
    from harness.analysis.quality.one_query import why
    from harness.analysis.quality.one_query_text import why_text
    from harness.results.store import load_results

    _, name = one_dataset(arguments)
    given = results_folder(arguments, [name] if name else [])
    results = load_results(given if given.exists() else results_folder(arguments, []))
    found = why(results, arguments.query_id, name or None, arguments.system)
    say(why_text(found, results.plan["metrics"], arguments.top))
    return exits.OK


def _add_export(sub: argparse.ArgumentParser) -> None:
    add_plan(sub)
    sub.add_argument(
        "system",
        metavar="SYSTEM",
        nargs="?",
        help="copy the model that was trained for this system, instead of the results",
    )
    sub.add_argument("folder", metavar="FOLDER", type=Path, help="where the files are written")


def _export(arguments: argparse.Namespace) -> int:
    from harness.analysis.quality.leaderboard import leaderboard
    from harness.report.export import export
    from harness.results.store import load_results
    from harness.training.copies import copy

    if arguments.system:
        written = copy(experiment_of(arguments), arguments.system, arguments.folder)
    else:
        results = load_results(_results_of(arguments))
        written = export(results, leaderboard(results), arguments.folder)
    for path in written:
        say(path)
    return exits.OK


REPORT = Command(
    "report", "write the report again from stored results", _add_report, _report, is_short=True
)
WHY = Command(
    "why",
    "show one query side by side: ranks, scores, judgements, what was cut",
    _add_why,
    _why,
    is_short=True,
)
EXPORT = Command(
    "export",
    "write runs and tables for other programs, or a copy of a trained model",
    _add_export,
    _export,
    is_short=True,
)
