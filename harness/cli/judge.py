"""`judge`: a person judges what the systems of an experiment bring up first."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import exits
from harness.cli.arguments import (
    Command,
    add_cache,
    add_file,
    add_one_dataset,
    add_quick,
    count,
    one_dataset,
    port,
    results_folder,
)
from harness.cli.streams import say
from harness.errors import ConfigError, InputError
from harness.page.terminal import paragraph
from harness.page.text import counted

if TYPE_CHECKING:
    from harness.judging.desk import Desk
    from harness.judging.session import Session

HOST = "127.0.0.1"
"""Which only this machine reaches."""

CONNECTIONS = 32
"""Of one person's browser."""


def _add_arguments(sub: argparse.ArgumentParser) -> None:
    add_file(sub)
    add_quick(sub)
    add_cache(sub)
    add_one_dataset(sub)
    sub.add_argument(
        "--depth",
        metavar="N",
        type=count,
        help="judge the first N documents of each system (default: as many as the objective looks at)",
    )
    sub.add_argument("--judge", metavar="NAME", help="who judges (default: the user's name here)")
    sub.add_argument(
        "--model",
        action="store_true",
        help="let the language model of the file's block `judge` judge",
    )
    sub.add_argument("--terminal", action="store_true", help="judge here, without a browser")
    sub.add_argument("--port", type=port, default=8010, help="0: any free port (default: 8010)")


def _desk(given: argparse.Namespace) -> Desk:
    """Raises ConfigError where nothing was run yet."""
    from harness.experiment.quick import quickened
    from harness.experiment.reading import load_experiment
    from harness.judging.desk import desk
    from harness.results.store import load_results

    folder, specs, name = _place(given)
    experiment = load_experiment(given.file, specs, given.weights)
    if not (folder / "plan.json").exists():
        raise ConfigError(
            f"There are no results in {folder}, and what the systems find is what is judged: run "
            "`python -m harness run FILE` first."
        )
    experiment = quickened(experiment) if given.quick else experiment
    return desk(experiment, load_results(folder), name, given.depth, given.cache)


def _place(given: argparse.Namespace) -> tuple[Path, Sequence[Mapping[str, Any]], str]:
    """Where the run lies, the dataset it was given in the place of the file's, else one's name."""
    specs, name = one_dataset(given)
    folder = results_folder(given, [name])
    if specs and folder.exists():
        return folder, specs, ""
    return results_folder(given, []), [], name


def _name(given: str | None) -> str:
    """Raises InputError where a judge cannot be called so."""
    try:
        found = " ".join((getpass.getuser() if given is None else given).split())
    except (OSError, KeyError):
        found = ""
    if not found or not found.isprintable():
        raise InputError(
            "Who judges? Give your name by --judge NAME: it stands beside your grades."
        )
    return found


def _by_model(given: argparse.Namespace) -> int:
    """Raises ConfigError where the file names no model."""
    from harness.experiment.reading import load_experiment
    from harness.judging.model.of_dataset import judge_dataset

    folder, specs, _ = _place(given)
    judge = load_experiment(given.file, specs, given.weights).judge
    if judge is None:
        raise ConfigError(f"{given.file} names no judging model: it has no block `judge`.")
    found = judge_dataset(judge, folder, _desk(given))
    say("\n".join(found.sentences))
    return exits.FAILED if found.broken else exits.OK


def _judge(arguments: argparse.Namespace) -> int:
    if arguments.model:
        return _by_model(arguments)
    judge = _name(arguments.judge)
    desk = _desk(arguments)
    session = desk.session(judge)
    if arguments.terminal:
        _in_terminal(desk, session)
    else:
        _on_page(desk, session, judge, arguments.port)
    view = session.view()
    say("\n".join(paragraph(view.standing.sentence)))
    said = f"{counted(view.mine, 'document')} judged by {judge}, {counted(view.all, 'document')} by all."
    if any(desk.dataset.qrels.values()):
        say("\n".join(paragraph(f"{said} To measure by them, name this file as `qrels`:")))
        say(str(desk.journal.folder / "qrels" / "judged.tsv"))
    else:
        say(
            "\n".join(
                paragraph(
                    f"{said} `python -m harness report FILE` decides by them, and by latency, storage "
                    "and your limits, too."
                )
            )
        )
    return exits.OK


def _on_page(desk: Desk, session: Session, judge: str, number: int) -> None:
    from harness.components import registry
    from harness.service import host

    registry.require_packages([], also=dict.fromkeys(("h11", "starlette", "uvicorn"), "judge"))
    from harness.judging.page import Page, application

    page = application(Page(session, desk.texts, judge, desk.dataset.name))
    with host.bound(HOST, number) as here:
        ready = (
            f"Judge at {host.url(here)} as {judge}. Every grade is stored at once; Ctrl-C stops."
        )
        host.run(page, here, lambda: say(ready), CONNECTIONS)


def _in_terminal(desk: Desk, session: Session) -> None:
    from harness.judging import terminal

    whole, before = False, None
    while (view := session.view()).pair is not None:
        whole = whole and view.pair == before
        before = view.pair
        say(terminal.shown(view, desk.texts(view.pair), whole=whole))
        line = sys.stdin.readline()
        key, rest = terminal.typed(line) if line else terminal.Typed("q", "")
        if key == "q":
            return
        if key == "u":
            session.undo()
        elif key == "s":
            session.skip(view.pair)
        elif key == "n":
            session.note(view.pair, rest)
        elif key == "w":
            whole = True
        elif key:
            session.grade(view.pair, int(key))
        else:
            say("That is none of the keys; a note is `n` and its words on one line.")


JUDGE = Command(
    "judge",
    "judge what the systems bring up first, until the decision is settled",
    _add_arguments,
    _judge,
)
