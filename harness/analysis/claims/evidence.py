"""What a claim is judged by: a value that was found, or why there is none."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from harness.components.models import catalogue
from harness.experiment.claims import Arithmetic, Catalogued, Packaged, Published
from harness.experiment.result_folders import Weights
from harness.page.text import significant
from harness.results.store import Results

Verdict = Literal[
    "supported", "contradicted", "not distinguishable", "not comparable", "not measured"
]

Made = TypeVar("Made")


class Found(NamedTuple):
    """A value with the bounds of its 95 % interval, which are the value itself where it is exact.

    A bound that the data do not give is infinite; where there is nothing but bounds, the value is
    NaN. `said` tells a reader what was found, and where.
    """

    value: float | str
    low: float
    high: float
    said: str
    machine: str = ""
    """What it was measured on, where it would be another on another machine."""


class UnjudgedError(Exception):
    """Why a claim has no value to be judged by; inside the analysis only."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        """`reason` is a sentence without its full stop."""
        super().__init__(reason)
        self.verdict = verdict


def not_measured(reason: str) -> UnjudgedError:
    """What is missing, and what would give it."""
    return UnjudgedError("not measured", reason)


@dataclass(frozen=True)
class Stored:
    """The results that claims are judged from."""

    results: Mapping[tuple[str, Weights], Results]
    """By the experiment's name and the weights that it was run with."""
    datasets: Mapping[str, Published]
    """What values were published of."""
    folder: Path
    """Where the files of the experiments lie."""
    options: str = ""
    """What a command that would measure more is given beside its file."""
    made: dict[tuple[Any, ...], Any] = field(default_factory=dict, compare=False)
    """What several claims need, made once."""

    def real(self, experiment: str) -> Results:
        """The results of an experiment with the models' own weights, as quality needs them."""
        if (experiment, "real") in self.results:
            return self.results[experiment, "real"]
        random = " but with random weights" * ((experiment, "dummy") in self.results)
        raise not_measured(f"no results of {experiment}{random}: {self.command(experiment)}")

    def command(self, experiment: str) -> str:
        """What would measure it."""
        return f"`python -m harness run {self.folder / experiment}.yaml{self.options}`"

    def any_weights(self, experiment: str, find: Callable[[Results], Found]) -> Found:
        """What real weights gave, else random ones: time, memory and bytes are the same."""
        missing = not_measured(
            f"no results of {experiment}: {self.command(experiment)}; random weights will do "
            "(`--weights dummy`)"
        )
        kinds: tuple[Weights, ...] = ("real", "dummy")
        for weights in kinds:
            if (experiment, weights) not in self.results:
                continue
            try:
                found = find(self.results[experiment, weights])
            except UnjudgedError as why:
                missing = why
            else:
                random = ", with random weights" * (weights == "dummy")
                return found._replace(said=found.said + random)
        raise missing

    def once(self, make: Callable[..., Made], results: Results, *key: str) -> Made:
        """What `make(results, *key)` gives, which is made only once."""
        name = (make, results.folder, *key)
        if name not in self.made:
            self.made[name] = make(results, *key)
        made: Made = self.made[name]
        return made


def exact(value: float | str, said: str) -> Found:
    """A value that nothing was sampled for."""
    bound = value if isinstance(value, float) else math.nan
    return Found(value, bound, bound, said)


def bounded(value: float, low: float, high: float, said: str, machine: str = "") -> Found:
    """A value with an interval, whose absent bounds (NaN) are infinite."""
    return Found(
        value,
        -math.inf if math.isnan(low) else low,
        math.inf if math.isnan(high) else high,
        said,
        machine,
    )


def arithmetic(asked: Arithmetic, stored: Stored) -> Found:
    """What an expression gives."""
    del stored
    numbers = f" (numbers: {', '.join(asked.sources)})" if asked.sources else ""
    return exact(asked.value, f"{asked.expression} = {significant(asked.value, 4)}{numbers}")


def catalogued(asked: Catalogued, stored: Stored) -> Found:
    """What the catalogue knows of a model, with its source."""
    del stored
    value = catalogue.fact(asked.model, asked.fact)
    known = catalogue.catalogue()[asked.model]
    source = known.sources.get("dims" if asked.fact == "dim" else asked.fact, "the catalogue")
    if isinstance(value, str):
        return exact(value, f"{asked.fact} of {asked.model}: {value} ({source})")
    number = float(value or 0)
    return exact(number, f"{asked.fact} of {asked.model}: {number:,.0f} ({source})")


def packaged(asked: Packaged, stored: Stored) -> Found:
    """Whether an installed package brings a file, by the list that it was installed with."""
    del stored
    try:
        package = importlib.metadata.distribution(asked.name)
    except importlib.metadata.PackageNotFoundError:
        raise not_measured(f"the package {asked.name} is not installed") from None
    there = asked.file in map(str, package.files or ())
    is_there = "present" if there else "absent"
    return exact(is_there, f"{asked.file} is {is_there} in {asked.name} {package.version}")
