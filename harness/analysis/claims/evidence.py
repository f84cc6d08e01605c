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


class NoValueError(Exception):
    """Why there is no value to judge a claim by; inside the analysis only."""

    def __init__(self, reason: str, verdict: Verdict = "not measured") -> None:
        """`reason` is a sentence without its full stop."""
        super().__init__(reason)
        self.verdict = verdict


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
        raise NoValueError(f"no results of {experiment}{random}: {self.command(experiment)}")

    def command(self, experiment: str) -> str:
        """What would measure it."""
        return f"`python -m harness run {self.folder / experiment}.yaml{self.options}`"

    def any_weights(self, experiment: str, find: Callable[[Results], Found]) -> Found:
        """What real weights gave, else random ones: time, memory and bytes are the same."""
        missing = NoValueError(
            f"no results of {experiment}: {self.command(experiment)}; random weights will do "
            "(`--weights dummy`)"
        )
        kinds: tuple[tuple[Weights, str], ...] = (("real", ""), ("dummy", ", with random weights"))
        for weights, random in kinds:
            if (experiment, weights) in self.results:
                try:
                    found = find(self.results[experiment, weights])
                except NoValueError as why:
                    missing = why
                else:
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
    least, most = (-math.inf if math.isnan(low) else low), (math.inf if math.isnan(high) else high)
    return Found(value, least, most, said, machine)


def original(model: object) -> str:
    """The name that a model's authors gave it, whatever package or commit it came as."""
    known = catalogue.known(str(model))
    return (known and known.original) or str(model).removeprefix(catalogue.DUMMY).partition("@")[0]


def arithmetic(asked: Arithmetic) -> Found:
    """What an expression gives."""
    numbers = f" (numbers: {', '.join(asked.sources)})" if asked.sources else ""
    return exact(asked.value, f"{asked.expression} = {significant(asked.value, 4)}{numbers}")


def catalogued(asked: Catalogued) -> Found:
    """What the catalogue knows of a model, with its source."""
    value = catalogue.fact(asked.model, asked.fact)
    known = catalogue.catalogue()[asked.model]
    source = known.sources.get("dims" if asked.fact == "dim" else asked.fact, "the catalogue")
    if not isinstance(value, str):
        value = float(value or 0)
    shown = value if isinstance(value, str) else f"{value:,.0f}"
    return exact(value, f"{asked.fact} of {asked.model}: {shown} ({source})")


def packaged(asked: Packaged) -> Found:
    """Whether an installed package brings a file, by the list that it was installed with."""
    try:
        package = importlib.metadata.distribution(asked.name)
    except importlib.metadata.PackageNotFoundError:
        raise NoValueError(f"the package {asked.name} is not installed") from None
    state = "present" if asked.file in map(str, package.files or ()) else "absent"
    return exact(state, f"{asked.file} is {state} in {asked.name} {package.version}")
