"""The command line: all commands, and the way of each from its arguments to its exit code."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from harness.cli import (
    audit,
    claims,
    exits,
    gate,
    init,
    judge,
    listings,
    models,
    runs,
    schema,
    serve,
    stored,
)
from harness.cli.arguments import Command, suggested
from harness.cli.streams import Formatter, complain, heard
from harness.components.models import hub
from harness.experiment.result_folders import check_here
from harness.files import temporary

log = logging.getLogger(__name__)

COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        *(init.INIT, runs.RUN, runs.PLAN, stored.REPORT, stored.WHY, stored.EXPORT, gate.GATE),
        *(judge.JUDGE, models.FETCH, models.ONNX, claims.CLAIMS, audit.AUDIT, serve.SERVE),
        *(schema.SCHEMA, listings.LIST, listings.DOCTOR),
    )
}
"""By name, in the order of `--help`."""

DESCRIPTION = """\
Is ColBERT late interaction worth its latency and storage, compared with a
cross-encoder on top of dense retrieval? An experiment file asks it; `run`
answers with a report. Begin with `init FOLDER` and data of your own, or with
`run experiments/quickstart.yaml`."""

SUGGESTED = re.compile(r"python -m harness ([a-z]+) FILE")
"""How a message suggests a command where it does not know what was given."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Raises SystemExit where `argv` is no command."""
    arguments = argparse.Namespace()
    try:
        arguments = _parsed(argv)
        _prepare(arguments)
        return _run(arguments)
    except (Exception, KeyboardInterrupt) as error:
        log.debug("the command broke off", exc_info=True)
        code, message = exits.ending(error)
        complain(_filled(message, arguments))
        return code


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    try:
        return _parser().parse_args(argv)
    except SystemExit:
        with heard():  # of `--help`, too, only a part may be read
            pass
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description=DESCRIPTION,
        epilog=exits.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.summary, description=command.summary)
        sub.set_defaults(command=command)
        sub.add_argument("--verbose", action="store_true", help="log what the libraries say")
        command.add_arguments(sub)
    return parser


def _prepare(arguments: argparse.Namespace) -> None:
    """Before anything reads it from there: what libraries log, the network, where things lie."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.DEBUG if arguments.verbose else logging.WARNING)
    handler.setFormatter(Formatter("%(name)s: %(message)s"))
    logging.basicConfig(level=handler.level, handlers=[handler])
    hub.tell_libraries(online=arguments.command is models.FETCH)
    check_here()
    if arguments.command.is_short:
        _save_time()


def _save_time() -> None:
    """Prepare for a command that ends within seconds; before anything imports numpy."""
    # Threads wait for each other, on a busy machine three times as long as they work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import pandas as pd

    pd.set_option("mode.string_storage", "python")  # columns are short and read cell by cell
    gc.set_threshold(100_000)  # hardly anything that is made can go before the end


def _run(arguments: argparse.Namespace) -> int:
    try:
        with temporary.below(arguments.cache) if "cache" in arguments else nullcontext():
            code: int = arguments.command.run(arguments)
    except SystemExit as error:  # its code could be taken for one of ours
        broken = RuntimeError(f"the process was to exit with {error.code}")
        raise broken.with_traceback(error.__traceback__) from error
    return code


def _filled(message: str, given: argparse.Namespace) -> str:
    """`message` with the file and the options that were given in the commands that it suggests."""
    if "weights" in given:  # this command is about an experiment
        message = SUGGESTED.sub(lambda found: suggested(COMMANDS[found[1]], given), message)
    return f"harness: {message}"
