"""`init`: a first experiment file for a folder of data."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from harness.cli import exits
from harness.cli.arguments import Command
from harness.cli.streams import complain, say
from harness.errors import ConfigError, DataError
from harness.files import disk
from harness.page.terminal import paragraph

if TYPE_CHECKING:
    from harness.components.datasets._recognise import Question
    from harness.data import Dataset
    from harness.experiment.starter import Models


PARTS = ("corpus", "queries", "qrels")
"""What tables can be named."""


JUDGE = (
    "Nothing is judged yet, so that a run measures latency, memory and storage, and no quality. After "
    "it, judge what the systems find with: python -m harness judge {file}"
)
"""What to do without judgements."""


def _add_folder(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", metavar="FOLDER", type=Path, help="where the data lies")
    sub.add_argument(
        "--output", metavar="FILE", type=Path, help="default: FOLDER's name .yaml, here"
    )
    for part in PARTS:
        sub.add_argument(f"--{part}", metavar="FILE", help="a table inside FOLDER")
    sub.add_argument(
        "--column",
        metavar="SETTING=NAME",
        action="append",
        default=[],
        help="what a column is called, such as doc_text=body; settings: those of `use: table`",
    )


def _init(arguments: argparse.Namespace) -> int:
    from harness.experiment import starter
    from harness.experiment.starter import models

    folder: Path = arguments.folder
    output = arguments.output or Path(f"{folder.resolve().name}.yaml")
    if output.exists():
        raise ConfigError(f"{output} is there already: name another file with --output.")
    spec = _recognised(folder, _said(arguments))
    dataset, lengths = _looked_through(spec)
    say("\n".join(_described(spec, dataset, lengths)))
    found = models()
    spec["path"] = os.path.relpath(folder, output.resolve().parent)
    question = f"Does reranking beat dense retrieval on {dataset.name} by enough to pay for it?"
    disk.write(output, starter.text(question, spec, found))
    say("\n".join(_next(output, found)))
    if not dataset.qrels:
        say("\n".join(paragraph(JUDGE.format(file=shlex.quote(str(output))))))
    return exits.OK


def _said(arguments: argparse.Namespace) -> dict[str, str]:
    """What the command line says of files and columns; raises ConfigError for what it cannot mean."""
    from harness.components.datasets._recognise import COLUMNS

    said = {part: getattr(arguments, part) for part in PARTS if getattr(arguments, part)}
    settings = [name for names in COLUMNS.values() for name in names]
    for text in arguments.column:
        name, _, column = text.partition("=")
        if name not in settings or not column:
            raise ConfigError(
                f"--column {text}: expected SETTING=NAME, one of {', '.join(settings)}."
            )
        said[name] = column
    return said


def _recognised(folder: Path, said: dict[str, str]) -> dict[str, Any]:
    """The dataset's specification; at a terminal, what the files leave open is asked."""
    from harness.components.datasets._recognise import UnclearError, recognised

    while True:
        try:
            return recognised(folder, said)
        except UnclearError as unclear:
            if not sys.stdin.isatty():
                raise
            try:
                said |= {one.setting: _answer(one) for one in unclear.questions}
            except EOFError:
                raise unclear from None


def _answer(question: Question) -> str:
    while True:
        complain(f"{question.text} ({', '.join(question.choices)})")
        if (answer := input("> ").strip()) in question.choices:
            return answer


def _looked_through(spec: dict[str, Any]) -> tuple[Dataset, list[int]]:
    """The dataset without its documents, and how many words each of those has.

    Raises DataError with the first fault of the documents, and of queries and judgements.
    """
    from harness.components.datasets._streams import blocks
    from harness.components.protocols import DatasetSource
    from harness.components.registry import build

    def fault(path: str, message: str) -> None:
        raise ConfigError(f"{path}: {message}")

    source: Any = build((DatasetSource,), spec, "FOLDER", fault)
    questions, faults, lengths = None, [], list[int]()
    try:
        questions = source.questions()
    except DataError as error:
        faults.append(str(error))
    try:
        for block in blocks(source.stream, source.label()):
            lengths += [len(doc.text.split()) for doc in block.docs]
            if questions:
                questions.see(block.docs)
    except DataError as error:
        faults.append(str(error))
    if questions is None or faults:
        raise DataError(" ".join(dict.fromkeys(faults)))
    return questions.over(()), lengths


def _described(spec: dict[str, Any], dataset: Dataset, lengths: list[int]) -> Iterator[str]:
    """What was found, a line each; `lengths` are those of the documents in words."""
    kind = {
        "beir": "a BEIR folder",
        "tsv": "MS MARCO's files",
        "trec": "BEIR's files with TREC qrels",
    }
    said = "tables" if spec["use"] == "table" else kind[spec.get("format", "beir")]
    yield f"{dataset.name}: {said}"
    if spec["use"] == "table":
        named = ", ".join(
            f"{name}={value}" for name, value in spec.items() if name not in ("use", "path")
        )
        yield from paragraph(named, "  ", "    ")
    asked = [len(query.text.split()) for query in dataset.queries]
    for name, words in (("documents", lengths), ("queries", asked)):
        empty = f", {words.count(0):,} empty" * (0 in words)
        yield f"  {len(words):,} {name}: {median(words):g} words at the median, {max(words):,} at most{empty}"
    if dataset.qrels:
        yield _judged(dataset)
    for note in dataset.notes:
        yield from paragraph(note, "  ", "  ")


def _judged(dataset: Dataset) -> str:
    grades = [grade for judged in dataset.qrels.values() for grade in judged.values()]
    a_query = median(map(len, dataset.qrels.values()))
    return f"  {len(grades):,} judgements: {a_query:g} a query at the median, grades {min(grades)} to {max(grades)}"


def _next(output: Path, found: Models) -> Iterator[str]:
    """What was written, and what to do with it."""
    from harness.experiment.starter import size

    file = shlex.quote(str(output))
    yield f"Wrote {output}. Run it with: python -m harness run {file}"
    if found.encoder in found.absent:
        yield from paragraph(
            f"Its encoder {found.encoder} ({size(found.encoder)}) is not on this machine. Run first: "
            f"python -m harness fetch {file}. Without a download: run {file} --weights dummy, which "
            "measures time and memory only."
        )
    later = [one for one in found.absent if one != found.encoder]
    if later:
        named = ", ".join(f"{one} ({size(one)})" for one in later)
        yield from paragraph(f"In comments, because they are not on this machine: {named}.")


INIT = Command(
    "init", "look at a folder of data and write an experiment file for it", _add_folder, _init
)
