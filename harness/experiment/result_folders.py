"""Where the results of a run lie: one of other data, or a quick one, has a place of its own."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from harness.errors import InputError

Weights = Literal["real", "dummy"]
"""The models as they are, or of the same architecture with random weights (`harness.components.models.random_weights`)."""


def check_here() -> None:
    """Raise InputError where the working folder, from which all paths count, is gone."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise InputError("The working folder no longer exists: `cd` to another one.") from error


def results_name(
    file: Path, weights: Weights, datasets: Sequence[str] = (), *, quick: bool = False
) -> str:
    """The folder of an experiment's results: the file's name, and what the run was given beside it.

    That is random weights, the names of datasets in the place of the file's, and less time: no run
    writes over the plan and report of one that was given something else.
    """
    given = [*([weights] if weights != "real" else []), *map(slug, datasets)]
    return "-".join([file.stem, *given, *(["quick"] if quick else [])])


def found_in(
    results: Path, experiments: Iterable[str], datasets: Sequence[str]
) -> dict[tuple[str, Weights], Path]:
    """By experiment and weights where its run lies, where there is any.

    That of the file as it stands, else the first that was given one of `datasets`.
    """
    kinds: tuple[Weights, ...] = ("real", "dummy")
    found = {}
    for name, weights in itertools.product(experiments, kinds):
        given = [(), *((dataset,) for dataset in datasets)]
        places = [results / results_name(Path(f"{name}.yaml"), weights, one) for one in given]
        there = (place for place in places if (place / "plan.json").exists())
        if (place := next(there, None)) is not None:
            found[name, weights] = place
    return found


BESIDE = frozenset(
    (
        *("B2SUMS", "decision.md", "figures", "plan.json", "report.html", "report.md"),
        *("leaderboard.csv", "leaderboard.md", "leaderboard.tex"),
    )
)
"""What lies beside the folders of an experiment's datasets."""


def folders(names: Sequence[str], taken: Collection[str] = ()) -> Mapping[str, str]:
    """By name a folder of its own, also where upper and lower case or Unicode's forms are one.

    It is the name's `slug`, and with a digest of the name where another has it, too, or it is `taken`.
    """
    slugs = {name: slug(name) for name in names}
    told_apart = {name: f"{found}-{_digest(name)}" for name, found in slugs.items()}
    count = Counter(map(_seen, [*slugs.values(), *told_apart.values(), *taken]))
    return {
        name: found if count[_seen(found)] == 1 else told_apart[name]
        for name, found in slugs.items()
    }


def _seen(folder: str) -> str:
    """What a folder's name is to a file system that tells fewer names apart."""
    return unicodedata.normalize("NFKC", folder).casefold()


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def slug(name: str) -> str:
    """A name for a folder; never an identity, which is the key beside it."""
    short = re.sub(r"[^\w.\[\]=,+-]+", "-", name).strip("-.")[:80]
    return short.encode()[:BYTES].decode(errors="ignore") or "unnamed"


BYTES = 160
"""Of a name for a folder: file systems take 255, and keys stand beside it."""
