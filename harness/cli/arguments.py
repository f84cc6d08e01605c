"""What commands are made of: the arguments that several take, and how one names another."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from harness.experiment.schema import Experiment


class Command(NamedTuple):
    """A command of the command line."""

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Returns the exit code."""
    is_short: bool = False
    """Whether it ends within seconds, so that the time of imports and threads counts."""


def add_results(sub: argparse.ArgumentParser) -> None:
    """Where results lie."""
    sub.add_argument(
        "--results", metavar="DIR", type=Path, default=Path("results"), help="default: results"
    )


def add_file(sub: argparse.ArgumentParser) -> None:
    """The experiment, where its results lie, and the weights of its models."""
    sub.add_argument("file", metavar="FILE", type=Path, help="the experiment (YAML)")
    add_results(sub)
    sub.add_argument(
        "--weights",
        choices=("real", "dummy"),
        default="real",
        help="dummy: hub models by their architecture, with random weights and without a "
        "download; time, memory and bytes are measured, quality is not",
    )


def add_part(sub: argparse.ArgumentParser) -> None:
    """What a run is given beside its file; its results lie apart, and are found by the same."""
    sub.add_argument(
        "--dataset",
        metavar="DATASET",
        action="append",
        default=[],
        help="use this instead of the file's datasets: a folder, a dataset's name (pydoc), or "
        "`{use: ..., ...}`; may be repeated. Results: RESULTS/EXPERIMENT-DATASET",
    )
    add_quick(sub)


def add_one_dataset(sub: argparse.ArgumentParser) -> None:
    """Which dataset of a run; read by `one_dataset`."""
    sub.add_argument(
        "--dataset",
        metavar="DATASET",
        dest="of",
        help="where the file has several, or a run was given this --dataset",
    )


def add_quick(sub: argparse.ArgumentParser) -> None:
    """Whether latency and storage are measured in less time."""
    sub.add_argument(
        "--quick",
        action="store_true",
        help="less time for latency and storage: a first look. Results: RESULTS/EXPERIMENT-quick",
    )


def add_cache(sub: argparse.ArgumentParser) -> None:
    """Where finished work lies that other experiments may share."""
    sub.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        default=Path(".cache/harness"),
        help="datasets, vectors, trained models and finished stages; safe to delete (default: "
        ".cache/harness)",
    )


def add_plan(sub: argparse.ArgumentParser) -> None:
    """All of which a plan is made."""
    add_file(sub)
    add_cache(sub)
    add_part(sub)


def count(text: str) -> int:
    """A whole number above 0; raises ArgumentTypeError for anything else."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def port(text: str) -> int:
    """A number of a port; raises ArgumentTypeError for anything else."""
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to {2**16 - 1}")
    return int(text)


def experiment_of(given: argparse.Namespace) -> Experiment:
    """The experiment that `add_file` and `add_part` name."""
    from harness.experiment.dataset_option import dataset_spec
    from harness.experiment.quick import quickened
    from harness.experiment.reading import load_experiment

    datasets = [dataset_spec(text) for text in given.dataset]
    experiment = load_experiment(given.file, datasets, given.weights)
    return quickened(experiment) if given.quick else experiment


def one_dataset(given: argparse.Namespace) -> tuple[list[Mapping[str, Any]], str]:
    """What `add_one_dataset` took: what it says where a run may have been given it, and its name.

    The name of one of the file's datasets says nothing more. Without the option the name is empty.
    """
    from harness.components.registry import names
    from harness.experiment.dataset_option import dataset_names, dataset_spec

    text = given.of or ""
    if not (text.startswith("{") or (text and Path(text).is_dir()) or text in names("datasets")):
        return [], text
    specs = [dataset_spec(text)]
    return specs, dataset_names(specs)[0]


def results_folder(given: argparse.Namespace, datasets: Sequence[str]) -> Path:
    """Where the results of a run with these options and datasets lie."""
    from harness.experiment.result_folders import results_name

    name = results_name(given.file, given.weights, datasets, quick=given.quick)
    return Path(given.results, name)


class _Recording(argparse.ArgumentParser):
    """A parser that remembers what it takes."""

    def __init__(self) -> None:
        self.taken: list[argparse.Action] = []
        super().__init__(add_help=False)

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        self.taken.append(super().add_argument(*names, **settings))
        return self.taken[-1]


def options_for(command: Command, given: argparse.Namespace, **changes: Any) -> str:
    """The options of another command that were given to this one, or by `changes`, as words.

    Each begins with a space. What is as it is by default is left out.
    """
    parser = _Recording()
    command.add_arguments(parser)
    values = {**vars(given), **changes}
    words: list[str] = []
    for action in parser.taken:
        value = values.get(action.dest, action.default)
        if not action.option_strings or value == action.default:
            continue
        for one in value if isinstance(value, list) else [value]:
            words += [action.option_strings[0], *([] if one is True else [_quoted(one)])]
    return "".join(f" {word}" for word in words)


def suggested(command: Command, given: argparse.Namespace, **changes: Any) -> str:
    """A command about the experiment of this one, to be copied into a terminal."""
    options = options_for(command, given, **changes)
    return f"python -m harness {command.name} {_quoted(given.file)}{options}"


def _quoted(value: Any) -> str:
    """`value` as a shell takes it for one word."""
    return '"..."' if value == "..." else shlex.quote(str(value))
