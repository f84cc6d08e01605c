"""One YAML file of claims -> one frozen ClaimFile, or one error that lists every fault of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from harness.components import registry
from harness.components.models import catalogue
from harness.errors import ConfigError
from harness.experiment import expressions
from harness.experiment.claims import (
    Arithmetic,
    Arm,
    Catalogued,
    Claim,
    ClaimFile,
    Evidence,
    Expected,
    Latency,
    Memory,
    Packaged,
    Published,
    Quality,
    Storage,
    Way,
)
from harness.experiment.expressions import FUNCTIONS, Number
from harness.experiment.part import Part
from harness.files import bounds
from harness.files.wrong_values import shown
from harness.files.yaml_lines import Located, read_yaml

KEYS = ("experiments", "datasets", "numbers", "claims")
"""What may stand at the top of a claim file."""

KINDS: Mapping[str, type[Part]] = {
    "catalogue": Catalogued,
    "package": Packaged,
    "quality": Quality,
    "latency": Latency,
    "memory": Memory,
    "storage": Storage,
}
"""What a claim can be judged by, beside `arithmetic`."""

OVER: Mapping[type[Part], type[Part]] = {Latency: Arm, Storage: Way}
"""What a ratio of each kind is to."""

EVIDENCE = ("arithmetic", *KINDS)

CLAIM = ("id", "says", "source", *EVIDENCE, "expected", "note")

ID = re.compile(r"[A-Z]{1,3}[0-9]+[a-z]?")
"""Such as `Q5`; parts of one claim have a letter each: `Q5a`."""


class Figure(Part):
    """A published number, or several of one kind."""

    value: float | None = None
    values: tuple[float, ...] | None = None
    source: str

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if (self.value is None) == (not self.values):
            raise ValueError("say either `value` or `values`")
        return self

    def number(self) -> Number:
        """What its name stands for."""
        return self.values or self.value or 0.0


def load_claims(file: str | Path) -> ClaimFile:
    """The claims in `file`; raises ConfigError that names every fault with file, line and path."""
    file = Path(file)
    with bounds.reading(file, ConfigError):
        located = read_yaml(file)
        if not isinstance(located.value, Mapping):
            raise ConfigError(f"{file} is not a file of claims: expected keys {', '.join(KEYS)}.")
        found = _Reader(located, file).read(located.value)
        located.raise_faults()
        return ClaimFile(file=file, **found)


class _Reader:
    """Reads the parts of one file and notes every fault in its Located."""

    def __init__(self, located: Located, file: Path) -> None:
        self._fault = located.fault
        self._file = file
        self._experiments: Sequence[str] = ()
        self._datasets: Mapping[str, Published] = {}
        self._figures: dict[str, Figure | Catalogued] = {}

    def read(self, top: Mapping[str, Any]) -> dict[str, Any]:
        for key in top.keys() - set(KEYS):
            self._fault(key, f"unknown key{registry.did_you_mean(key, KEYS)}")
        self._experiments = self._names_of_experiments(top.get("experiments", ()))
        self._datasets = {
            name: part
            for name, value in self._mapping(top.get("datasets", {}), "datasets").items()
            if (part := registry.part(Published, value, f"datasets.{name}", self._fault))
        }
        for name, value in self._mapping(top.get("numbers", {}), "numbers").items():
            self._figure(name, value)
        return {
            "experiments": self._experiments,
            "datasets": self._datasets,
            "claims": self._claims(top.get("claims")),
        }

    def _mapping(self, value: Any, path: str) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        self._fault(path, f"expected names with their values, not {shown(value)}")
        return {}

    def _names_of_experiments(self, value: Any) -> tuple[str, ...]:
        found = registry.validated(tuple[str, ...], value, "experiments", self._fault) or ()
        for i, name in enumerate(found):
            path = self._file.parent / f"{name}.yaml"
            if Path(name).name != name or not path.is_file():
                self._fault(f"experiments[{i}]", f"there is no {path}")
        return found

    def _figure(self, name: str, value: Any) -> None:
        path = f"numbers.{name}"
        if not name.isidentifier() or name in FUNCTIONS:
            self._fault(path, f"{name!r} cannot be a name in arithmetic")
        catalogued = isinstance(value, Mapping) and "model" in value
        kind = Catalogued if catalogued else Figure
        part = registry.part(kind, value, path, self._fault)
        if catalogued and part is not None and part.fact == "licence":
            self._fault(f"{path}.fact", "a licence is no number")
        elif part is not None and (not catalogued or self._fact(part, path) is not None):
            self._figures[name] = part

    def _fact(self, part: Catalogued, path: str) -> Any:
        """A fact of the catalogue; None after noting that it has none such."""
        known = catalogue.catalogue()
        if part.model not in known:
            near = registry.did_you_mean(part.model, known)
            self._fault(f"{path}.model", f"the catalogue has no {part.model!r}{near}")
            return None
        found = catalogue.fact(part.model, part.fact)
        if found is None:
            self._fault(path, f"the catalogue does not know the {part.fact} of {part.model}")
        return found

    def _claims(self, specs: Any) -> tuple[Claim, ...]:
        if not (isinstance(specs, tuple) and specs):
            self._fault("claims", "expected a list with at least one entry")
            return ()
        found = [self._claim(spec, f"claims[{i}]") for i, spec in enumerate(specs)]
        claims = [claim for claim in found if claim is not None]
        ids = [spec.get("id") for spec in specs if isinstance(spec, Mapping)]
        for i, name in enumerate(ids):
            if name in ids[:i]:
                self._fault(f"claims[{i}].id", f"{shown(name)} occurs more than once")
        return tuple(claims)

    def _claim(self, spec: Any, path: str) -> Claim | None:
        if not isinstance(spec, Mapping):
            self._fault(path, f"expected a claim with keys {', '.join(CLAIM)}, not {shown(spec)}")
            return None
        for key in spec.keys() - set(CLAIM):
            self._fault(f"{path}.{key}", f"unknown key{registry.did_you_mean(key, CLAIM)}")
        told = {key: self._text(spec, key, path) for key in ("id", "says", "source")}
        if told["id"] and not ID.fullmatch(told["id"]):
            self._fault(f"{path}.id", f"{told['id']!r} is not an id such as Q5 or Q5a")
        told["note"] = registry.validated(str, spec.get("note", ""), f"{path}.note", self._fault)
        expected = self._expected(spec, path)
        evidence = self._evidence(spec, path)
        if expected is None or evidence is None or None in told.values():
            return None
        self._fits(evidence, expected, f"{path}.expected")
        return Claim.model_validate({**told, "expected": expected, "evidence": evidence})

    def _expected(self, spec: Mapping[str, Any], path: str) -> Expected | None:
        if "expected" not in spec:
            self._fault(path, "the key 'expected' is missing")
            return None
        found: Expected | None = registry.part(
            Expected, spec["expected"], f"{path}.expected", self._fault
        )
        return found

    def _text(self, spec: Mapping[str, Any], key: str, path: str) -> str | None:
        if key not in spec:
            self._fault(path, f"the key {key!r} is missing")
            return None
        found: str | None = registry.validated(str, spec[key], f"{path}.{key}", self._fault)
        if found is not None and not found.strip():
            self._fault(f"{path}.{key}", "it is empty")
        return found

    def _evidence(self, spec: Mapping[str, Any], path: str) -> Evidence | None:
        said = [key for key in EVIDENCE if key in spec]
        if len(said) != 1:
            self._fault(path, f"say exactly one of {', '.join(EVIDENCE)}")
            return None
        (key,) = said
        where, value = f"{path}.{key}", spec[key]
        if key == "arithmetic":
            return self._arithmetic(value, where)
        kind = KINDS[key]
        if kind in OVER and isinstance(value, Mapping) and isinstance(value.get("over"), Mapping):
            over = registry.part(OVER[kind], value["over"], f"{where}.over", self._fault)
            if over is None:
                return None
            value = {**value, "over": over}
        found: Evidence | None = registry.part(kind, value, where, self._fault)
        if isinstance(found, Catalogued):
            return found if self._fact(found, where) is not None else None
        if found is not None:
            self._check_names(found, where)
        return found

    def _check_names(self, evidence: Any, path: str) -> None:
        """Experiment and dataset must be among the file's."""
        for key, known in (("experiment", self._experiments), ("dataset", self._datasets)):
            name = getattr(evidence, key, None)
            if name is not None and name not in known:
                near = registry.did_you_mean(name, known)
                self._fault(f"{path}.{key}", f"{name!r} is not among `{key}s`{near}")

    def _arithmetic(self, text: Any, path: str) -> Arithmetic | None:
        expression = registry.validated(str, text, path, self._fault)
        if expression is None:
            return None
        try:
            value = expressions.evaluate(expression, self._numbers())
        except ValueError as error:
            self._fault(path, str(error))
            return None
        figures = [self._figures[name] for name in expressions.names(expression)]
        sources = [
            f"catalogue: {figure.model}" if isinstance(figure, Catalogued) else figure.source
            for figure in figures
        ]
        return Arithmetic(expression=expression, value=value, sources=tuple(dict.fromkeys(sources)))

    def _numbers(self) -> dict[str, Number]:
        return {name: _number(figure) for name, figure in self._figures.items()}

    def _fits(self, evidence: Any, expected: Any, path: str) -> None:
        """Texts are expected of what is a text, numbers of all else."""
        licence = isinstance(evidence, Catalogued) and evidence.fact == "licence"
        is_text = licence or isinstance(evidence, Packaged)
        if is_text != (expected.range() is None):
            self._fault(path, "a text is expected" if is_text else "a number is expected")


def _number(figure: Figure | Catalogued) -> Number:
    if isinstance(figure, Figure):
        return figure.number()
    return float(catalogue.fact(figure.model, figure.fact) or 0)
