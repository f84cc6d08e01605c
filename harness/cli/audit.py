"""`audit`: what somebody else's table of results can show."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli import exits
from harness.cli.arguments import Command
from harness.cli.streams import say


def _add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="CSV: the columns system and one a dataset, with a row `queries`; or system, dataset, "
        "query, value",
    )
    sub.add_argument(
        "--deviation",
        metavar="S",
        type=_deviation,
        help="standard deviation of two systems' difference over queries (default: a range that "
        "was measured)",
    )


def _deviation(text: str) -> float:
    """Raises ValueError where no two measures between 0 and 1 differ so."""
    value = float(text)
    if not 0 < value <= 1:
        raise ValueError(text)
    return value


def _audit(arguments: argparse.Namespace) -> int:
    from harness.analysis.audit.judge import judge
    from harness.analysis.audit.table import read
    from harness.analysis.audit.text import as_text

    table = read(arguments.file)
    judged = judge(table, arguments.deviation)
    say(as_text(arguments.file.name, table, judged, arguments.deviation))
    return exits.OK


AUDIT = Command(
    "audit",
    "say what a published table of results can show with its number of queries",
    _add_arguments,
    _audit,
    is_short=True,
)
