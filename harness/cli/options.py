"""What each command of the command line takes."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.service.limits import SERVE_LIMITS


def _file_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("file", metavar="FILE", type=Path, help="the experiment (YAML)")
    sub.add_argument(
        "--results", metavar="DIR", type=Path, default=Path("results"), help="default: results"
    )
    sub.add_argument(
        "--weights",
        choices=("real", "dummy"),
        default="real",
        help="dummy: hub models by their architecture, with random weights and without a "
        "download; time, memory and bytes are measured, quality is not",
    )


def _part_options(sub: argparse.ArgumentParser) -> None:
    """What a run is given beside its file; its results lie apart, and are found by the same."""
    sub.add_argument(
        "--dataset",
        metavar="DATASET",
        action="append",
        default=[],
        help="use this instead of the file's datasets: a folder, a dataset's name (pydoc), or "
        "`{use: ..., ...}`; may be repeated. Results: RESULTS/EXPERIMENT-DATASET",
    )
    _quick_option(sub)


def _quick_option(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--quick",
        action="store_true",
        help="less time for latency and storage: a first look. Results: RESULTS/EXPERIMENT-quick",
    )


def _cache_option(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        default=Path(".cache/harness"),
        help="vectors, trained models and finished stages; safe to delete (default: "
        ".cache/harness)",
    )


def _plan_options(sub: argparse.ArgumentParser) -> None:
    _file_options(sub)
    _cache_option(sub)
    _part_options(sub)


def _run_options(sub: argparse.ArgumentParser) -> None:
    _plan_options(sub)
    sub.add_argument("--json", action="store_true", help="print the closing summary as JSON")


def _report_options(sub: argparse.ArgumentParser) -> None:
    _file_options(sub)
    _part_options(sub)


def _why_options(sub: argparse.ArgumentParser) -> None:
    _file_options(sub)
    _quick_option(sub)
    sub.add_argument("query_id", metavar="QUERY_ID", help="as it stands in the dataset")
    sub.add_argument(
        "--dataset",
        metavar="NAME",
        dest="of",
        help="where several datasets have the query, or a run was given this --dataset",
    )
    sub.add_argument(
        "--system",
        metavar="NAME",
        action="append",
        default=[],
        help="show this system; may be repeated (default: all)",
    )
    sub.add_argument("--top", metavar="N", type=_count, default=3, help="documents (default: 3)")


def _gate_options(sub: argparse.ArgumentParser) -> None:
    _file_options(sub)
    _part_options(sub)
    folder = Path("results/baselines")
    sub.add_argument("--accept", action="store_true", help="later results must keep these")
    sub.add_argument("--reason", metavar="TEXT", help="why they are accepted")
    sub.add_argument(
        "--baselines", metavar="DIR", type=Path, default=folder, help=f"default: {folder}"
    )
    sub.add_argument("--junit", metavar="OUT", type=Path, help="write JUnit XML")
    sub.add_argument("--markdown", metavar="OUT", type=Path, help="write a pull request comment")


def _claims_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("file", metavar="FILE", type=Path, help="the claims (YAML)")
    sub.add_argument(
        "--dataset",
        metavar="NAME",
        action="append",
        default=[],
        help="where an experiment was not run as its file has it, its run with this --dataset",
    )
    sub.add_argument(
        "--results", metavar="DIR", type=Path, default=Path("results"), help="default: results"
    )
    sub.add_argument("--json", action="store_true", help="print the verdicts as JSON")


def _export_options(sub: argparse.ArgumentParser) -> None:
    _file_options(sub)
    _cache_option(sub)
    _part_options(sub)
    sub.add_argument(
        "system",
        metavar="SYSTEM",
        nargs="?",
        help="copy the model that was trained for this system, instead of the results",
    )
    sub.add_argument("folder", metavar="FOLDER", type=Path, help="where the files are written")


def _serve_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("file", metavar="FILE", type=Path, help="the experiment (YAML)")
    sub.add_argument("system", metavar="SYSTEM", help="the system whose reranker is served")
    _cache_option(sub)
    sub.add_argument(
        "--host", default="127.0.0.1", help="default: 127.0.0.1, which only this machine reaches"
    )
    sub.add_argument(
        "--port", type=_port, default=8000, help="0 is any that is free (default: 8000)"
    )
    sub.add_argument(
        "--token-env",
        metavar="NAME",
        default="",
        help="the environment variable with the token that requests must bring",
    )
    for name, (most, what) in SERVE_LIMITS.items():
        sub.add_argument(
            f"--max-{name}",
            metavar="N",
            type=_count,
            default=most,
            help=f"{what} (default: {most})",
        )


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to {2**16 - 1}")
    return int(text)


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _onnx_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", metavar="MODEL", help="hub id, folder or package:NAME/FOLDER")
    sub.add_argument("folder", metavar="FOLDER", type=Path, help="where the files are written")


def _list_options(sub: argparse.ArgumentParser) -> None:
    kinds = ("datasets", "retrievers", "rerankers", "encoders", "models", "systems")
    sub.add_argument("kind", nargs="?", choices=kinds, help="default: all")


def _no_options(sub: argparse.ArgumentParser) -> None:
    del sub


OPTIONS: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "run": _run_options,
    "plan": _plan_options,
    "report": _report_options,
    "why": _why_options,
    "gate": _gate_options,
    "claims": _claims_options,
    "export": _export_options,
    "fetch": _plan_options,
    "serve": _serve_options,
    "onnx": _onnx_options,
    "list": _list_options,
    "doctor": _no_options,
}
"""By command what adds its arguments to a parser."""


class _Listing(argparse.ArgumentParser):
    """A parser that remembers what it takes."""

    def __init__(self) -> None:
        self.taken: list[argparse.Action] = []
        super().__init__(add_help=False)

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        self.taken.append(super().add_argument(*names, **settings))
        return self.taken[-1]


def options(verb: str, given: argparse.Namespace, **changes: Any) -> str:
    """The options of another command that were given to this one, or by `changes`, as words.

    Each begins with a space. What is as it is by default is left out.
    """
    parser = _Listing()
    OPTIONS[verb](parser)
    values = {**vars(given), **changes}
    words: list[str] = []
    for action in parser.taken:
        value = values.get(action.dest, action.default)
        if not action.option_strings or value == action.default:
            continue
        for one in value if isinstance(value, list) else [value]:
            words += [action.option_strings[0], *([] if one is True else [quoted(one)])]
    return "".join(f" {word}" for word in words)


def command(verb: str, given: argparse.Namespace, **changes: Any) -> str:
    """A command about the experiment of this one, to be copied into a terminal."""
    return f"python -m harness {verb} {quoted(given.file)}{options(verb, given, **changes)}"


ACCEPT: Mapping[str, Any] = {"accept": True, "reason": "...", "junit": None, "markdown": None}
"""What turns a gate into the command that accepts what it judged."""


def quoted(value: Any) -> str:
    """`value` as a shell takes it for one word."""
    return '"..."' if value == "..." else shlex.quote(str(value))


SUGGESTED = re.compile(r"python -m harness ([a-z]+) FILE")
"""How a message suggests a command where it does not know what was given."""


def filled(message: str, given: argparse.Namespace) -> str:
    """`message` with the file and the options that were given in the commands that it suggests."""
    if "weights" not in given:  # this command is about no experiment
        return message
    return SUGGESTED.sub(lambda found: command(found[1], given), message)
