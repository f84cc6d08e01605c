"""One YAML file -> one frozen Experiment, or one error that lists every fault of the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.components import registry
from harness.components.protocols import DatasetSource, Reranker, Retriever
from harness.errors import ConfigError
from harness.experiment.claims_reading import load_claims
from harness.experiment.dummy_weights import with_random_weights
from harness.experiment.metric_names import parsed
from harness.experiment.part import Part, Seed
from harness.experiment.paths import rebased
from harness.experiment.result_folders import BESIDE, Weights, folders
from harness.experiment.rules import Known, measures_quality, read_parity, read_rules
from harness.experiment.schema import (
    DatasetChoice,
    Decision,
    Depth,
    Experiment,
    Latency,
    Load,
    Storage,
    Subset,
    System,
)
from harness.experiment.vary import varied
from harness.files import bounds
from harness.files.wrong_values import shown
from harness.files.yaml_lines import Located, read_yaml

BLOCKS: Mapping[str, type[Part]] = {
    "latency": Latency,
    "load": Load,
    "storage": Storage,
    "decision": Decision,
}
"""Parts of an experiment that may be left out."""

KEYS = (
    *("question", "datasets", "systems", "baseline", "depth", "metrics", "seed"),
    *("gate", "claims", "parity", *BLOCKS),
)
"""What may stand at the top of an experiment file."""

METRICS = ("ndcg@10", "mrr@10", "recall@100")
"""What is measured where the file does not say."""

REQUIRED = ("question", "datasets", "systems")


def load_experiment(
    file: str | Path, only_datasets: Sequence[Any] = (), weights: Weights = "real"
) -> Experiment:
    """The experiment in `file`; `only_datasets` (specs as in the file) replace its datasets.

    Nothing heavy is imported. Paths in the file are relative to its folder. Raises ConfigError
    that names every fault with file, line and path.
    """
    file = Path(file)
    with bounds.reading(file, ConfigError):
        return _experiment(file, only_datasets, weights)


def _experiment(file: Path, only_datasets: Sequence[Any], weights: Weights) -> Experiment:
    located, top = _read(file)
    if only_datasets:
        top["datasets"] = tuple(only_datasets)
    for key in top.keys() - set(KEYS):
        located.fault(key, f"unknown key{registry.did_you_mean(key, KEYS)}")
    for key in REQUIRED:
        if key not in top:
            located.fault("", f"the key {key!r} is missing")
    reader = _Reader(located, file.parent)
    depth = reader.part(Depth, top.get("depth", {}), "depth") or Depth()
    datasets = reader.datasets(top["datasets"]) if "datasets" in top else ()
    systems = reader.systems(top["systems"], depth) if "systems" in top else ()
    reader.not_too_many(datasets, systems)
    metrics = reader.metrics(top.get("metrics", METRICS), systems)
    values = {
        "question": reader.value(str, top.get("question", ""), "question"),
        "seed": reader.value(Seed, top.get("seed", 42), "seed"),
        "baseline": reader.baseline(top.get("baseline"), systems),
        "claims": reader.claims(top.get("claims")),
        "parity": read_parity(top.get("parity", {}), [s.name for s in systems], located.fault),
        **{name: reader.part(BLOCKS[name], top[name], name) for name in BLOCKS.keys() & top.keys()},
    }
    reader.objective(values.get("decision"), metrics)
    known = Known(
        metrics=metrics,
        systems=[system.name for system in systems],
        datasets=None if only_datasets else [choice.name for choice in datasets],
        latency=values.get("latency"),
    )
    rules = read_rules(top.get("gate", ()), known, reader.part, located.fault)
    located.raise_faults()
    if weights == "dummy":
        systems = tuple(with_random_weights(system) for system in systems)
    return Experiment(
        file=file,
        weights=weights,
        instead=bool(only_datasets),
        datasets=datasets,
        systems=systems,
        metrics=metrics,
        gate=rules,
        **values,
    )


def load_decision(file: str | Path) -> Decision:
    """The decision block of `file` as it stands now, for results that were stored before.

    The other parts are not looked at, but for the metrics that the objective must be one of.
    Raises ConfigError that names every fault with file, line and path.
    """
    with bounds.reading(file, ConfigError):
        located, top = _read(Path(file))
        reader = _Reader(located, Path(file).parent)
        decision = reader.part(Decision, top.get("decision", {}), "decision")
        reader.objective(decision, reader.metrics(top.get("metrics", METRICS), ()))
        located.raise_faults()
        return decision or Decision()


def _read(file: Path) -> tuple[Located, dict[str, Any]]:
    located = read_yaml(file)
    if not isinstance(located.value, Mapping):
        raise ConfigError(f"{file} is not an experiment: expected keys {', '.join(KEYS)}.")
    return located, dict(located.value)


class _Reader:
    """Reads the parts of one file and notes every fault in its Located."""

    def __init__(self, located: Located, folder: Path) -> None:
        self._fault = located.fault
        self._folder = folder

    def value(self, hint: Any, value: Any, path: str) -> Any:
        return registry.validated(hint, value, path, self._fault)

    def name(self, value: Any, path: str) -> str | None:
        """A name of a dataset or system; None after noting why it cannot be one."""
        found: str | None = self.value(str, value, path)
        if found is not None and (wrong := bounds.name_fault(found)):
            self._fault(path, f"the name {wrong}")
            return None
        return found

    def part(self, model: type[Part], value: Any, path: str) -> Any:
        return registry.part(model, value, path, self._fault)

    def component(self, protocol: type, spec: Any, path: str) -> Any:
        return registry.build(
            (protocol,), rebased(spec, self._folder, path, self._fault), path, self._fault
        )

    def datasets(self, specs: Any) -> tuple[DatasetChoice, ...]:
        found: list[DatasetChoice] = []
        for i, spec in enumerate(self._entries(specs, "datasets")):
            path = f"datasets[{i}]"
            if not isinstance(spec, Mapping):
                self._fault(path, f"expected a dataset, such as {{use: pydoc}}, not {shown(spec)}")
                continue
            generic = {key: spec[key] for key in ("name", "subset") if key in spec}
            rest = {key: value for key, value in spec.items() if key not in generic}
            source = self.component(DatasetSource, rest, path)
            subset = (
                self.part(Subset, spec["subset"], f"{path}.subset") if "subset" in spec else None
            )
            name = self.name(spec.get("name", source.label() if source else ""), f"{path}.name")
            if source is not None and name is not None:
                found.append(DatasetChoice(name=name, source=source, subset=subset))
        self._no_repeats([choice.name for choice in found], "datasets", "give one a `name:`")
        places = folders([choice.name for choice in found], BESIDE)
        return tuple(one.model_copy(update={"folder": places[one.name]}) for one in found)

    def systems(self, specs: Any, depth: Depth) -> tuple[System, ...]:
        found: list[System] = []
        for i, spec in enumerate(self._entries(specs, "systems")):
            path = f"systems[{i}]"
            if not isinstance(spec, Mapping):
                self._fault(path, f"expected a system with name and retriever, not {shown(spec)}")
                continue
            for key in spec.keys() - {"name", "retriever", "reranker", "depth", "vary"}:
                known = ("name", "retriever", "reranker", "depth", "vary")
                self._fault(f"{path}.{key}", f"unknown key{registry.did_you_mean(key, known)}")
            for suffix, one in varied(spec, path, self._fault):
                system = self._system(one, suffix, path, depth)
                if system is not None:
                    found.append(system)
        self._no_repeats([system.name for system in found], "systems", "names must differ")
        places = folders([system.name for system in found])
        return tuple(one.model_copy(update={"folder": places[one.name]}) for one in found)

    def not_too_many(self, datasets: Sequence[DatasetChoice], systems: Sequence[System]) -> None:
        """Note it where the trials are more than any experiment has."""
        for key, found, most in (
            ("datasets", len(datasets), bounds.DATASETS),
            ("systems", len(systems), bounds.SYSTEMS),
            ("systems", len(datasets) * len(systems), bounds.TRIALS),
        ):
            if found > most:
                of = key if most < bounds.TRIALS else "trials of a system on a dataset"
                self._fault(key, f"it makes {found:,} {of}, and an experiment has at most {most:,}")

    def _system(
        self, spec: Mapping[str, Any], suffix: str, path: str, depth: Depth
    ) -> System | None:
        name = self.name(spec.get("name", ""), f"{path}.name")
        if not name:
            self._fault(path, "a system needs a name")
        own = spec.get("depth", {})
        merged = {**depth.model_dump(), **own} if isinstance(own, Mapping) else own
        own_depth = self.part(Depth, merged, f"{path}.depth")
        if "retriever" not in spec:
            self._fault(path, "a system needs a retriever")
            return None
        retriever = self.component(Retriever, spec["retriever"], f"{path}.retriever")
        reranker = None
        if spec.get("reranker") is not None:
            reranker = self.component(Reranker, spec["reranker"], f"{path}.reranker")
            if reranker is None:
                return None
        if retriever is None or own_depth is None or not name:
            return None
        name = self.name(name + suffix, f"{path}.name")
        if name is None:
            return None
        return System(name=name, retriever=retriever, reranker=reranker, depth=own_depth)

    def metrics(self, specs: Any, systems: Sequence[System]) -> tuple[str, ...]:
        found: list[str] = []
        depths = {system.depth.retrieve: system.name for system in systems}
        for i, metric in enumerate(self._entries(specs, "metrics")):
            path = f"metrics[{i}]"
            if self.value(str, metric, path) is None:
                continue
            try:
                wanted = parsed(metric)
            except ValueError as error:
                self._fault(path, str(error))
                continue
            if why := wanted.unmeasurable(depths):
                self._fault(path, why)
            found.append(str(wanted))
        self._no_repeats(found, "metrics", "say it once")
        return tuple(found)

    def baseline(self, name: Any, systems: Sequence[System]) -> str:
        known = [system.name for system in systems]
        if name is None and known:
            return known[0]
        if known and name not in known:
            self._fault(
                "baseline",
                f"{shown(name)} is not a system{registry.did_you_mean(str(name), known)}",
            )
        return str(name)

    def objective(self, decision: Decision | None, metrics: Sequence[str]) -> None:
        """Note it where the decision's objective is not measured, or no metric can be one."""
        named = decision and decision.objective
        if named and not measures_quality(named):
            self._fault(
                "decision.objective", f"{named} is no measure of quality: more is not better"
            )
        elif named and metrics and named not in metrics:
            meant = registry.did_you_mean(named, metrics)
            self._fault("decision.objective", f"{named!r} is not a metric of the experiment{meant}")
        elif metrics and not any(map(measures_quality, metrics)):
            told = "none is a measure of quality, by which systems are compared: add ndcg@10"
            self._fault("metrics", told)

    def claims(self, name: Any) -> Path | None:
        """The file of claims, which must be whole before anything is run for its sake."""
        if name is None or self.value(str, name, "claims") is None:
            return None
        try:
            file = (self._folder / str(name)).resolve()
            file.exists()  # raises where its name is longer than names of files are
            load_claims(file)
        except ConfigError as error:
            self._fault("claims", str(error))
        except (OSError, ValueError) as error:
            self._fault("claims", f"{shown(name)} cannot be looked up: {bounds.why(error)}")
        else:
            return file
        return None

    def _entries(self, specs: Any, path: str) -> tuple[Any, ...]:
        if isinstance(specs, tuple) and specs:
            return specs
        self._fault(path, "expected a list with at least one entry")
        return ()

    def _no_repeats(self, values: Sequence[str], path: str, way_out: str) -> None:
        for value in sorted(value for value, count in Counter(values).items() if count > 1):
            self._fault(path, f"{value!r} occurs more than once: {way_out}")
