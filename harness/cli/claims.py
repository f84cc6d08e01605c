"""`claims`: the verdicts on a file of claims, from stored results."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli import exits
from harness.cli.arguments import Command, add_results, options_for
from harness.cli.runs import RUN
from harness.cli.streams import say


def _add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("file", metavar="FILE", type=Path, help="the claims (YAML)")
    sub.add_argument(
        "--dataset",
        metavar="NAME",
        action="append",
        default=[],
        help="where an experiment was not run as its file has it, its run with this --dataset",
    )
    add_results(sub)
    sub.add_argument("--json", action="store_true", help="print the verdicts as JSON")


def _claims(arguments: argparse.Namespace) -> int:
    from harness.analysis.claims.evidence import Stored
    from harness.analysis.claims.judge import judge
    from harness.analysis.claims.text import as_json, as_text
    from harness.experiment.claims_reading import load_claims
    from harness.experiment.result_folders import found_in
    from harness.results.store import load_results

    file: Path = arguments.file
    claims = load_claims(file)
    folders = found_in(arguments.results, claims.experiments, arguments.dataset)
    runs = {key: load_results(folder) for key, folder in folders.items()}
    stored = Stored(runs, claims.datasets, file.parent, options_for(RUN, arguments, json=False))
    judged = [judge(claim, stored) for claim in claims.claims]
    say(as_json(judged) if arguments.json else as_text(judged))
    return exits.OK


CLAIMS = Command(
    "claims", "judge claims from stored results", _add_arguments, _claims, is_short=True
)
