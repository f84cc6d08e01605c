"""One YAML file -> one frozen Experiment, or one error that lists every fault of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from harness.components import registry
from harness.components.registry import Fault
from harness.errors import ConfigError
from harness.experiment import judge_prompt, remote_code, rules
from harness.experiment.claims_reading import load_claims
from harness.experiment.decision_terms import Decision
from harness.experiment.dummy_weights import with_random_weights
from harness.experiment.part import Part, read_keys
from harness.experiment.paths import rebased
from harness.experiment.result_folders import Weights
from harness.experiment.schema import Experiment, ExperimentKeys
from harness.experiment.vary import varied
from harness.files import bounds
from harness.files.wrong_values import shown

BESIDE_SOURCE = ("name", "subset")
"""What an experiment says of a dataset, among the settings of its source."""


def load_experiment(
    file: str | Path, only_datasets: Sequence[Any] = (), weights: Weights = "real"
) -> Experiment:
    """The experiment in `file`; `only_datasets` (specs as in the file) replace its datasets.

    Nothing heavy is imported. Paths in the file are relative to its folder. Raises ConfigError
    that names every fault with file, line and path.
    """
    file, instead = Path(file), bool(only_datasets)
    with bounds.reading(file, ConfigError):
        document, top = read_keys(file, ExperimentKeys, "an experiment")
        if instead:
            top["datasets"] = tuple(only_datasets)
        places = _write_out(top, file.parent, document.fault)

        def fault(path: str, message: str) -> None:
            path = re.sub(r"^(datasets\[\d+\])\.source\b", r"\1", path)
            path = re.sub(r"(?<=^systems\[)\d+", lambda found: str(places[int(found[0])]), path)
            document.fault(path, message)

        if isinstance(top.get("judge"), Mapping):
            top["judge"] = _with_prompt(top["judge"], file.parent, document.fault)
        if top.get("claims") is not None:
            top["claims"] = _claims(top["claims"], file.parent, document.fault)
        found = registry.validated(ExperimentKeys, top, "", fault, {"instead": instead})
        document.raise_faults()
        said = dict(found)
        if weights == "dummy":
            said["systems"] = tuple(map(with_random_weights, found.systems))
        trusted = remote_code.choose(said["systems"], trusted=found.trust_remote_code)
        said |= trusted._asdict()
        if found.baseline in trusted.left_out:
            document.fault("baseline", trusted.left_out[found.baseline])
            document.raise_faults()
        return Experiment.model_construct(**said, file=file, weights=weights, instead=instead)


class _Terms(Part):
    metrics: rules.Metrics = ExperimentKeys.model_fields["metrics"].default
    decision: Annotated[Decision, AfterValidator(rules.objective)] = Decision()


def load_decision(file: str | Path) -> Decision:
    """The decision block of `file` as it stands now, for results that were stored before.

    The other parts are not looked at, but for the metrics that the objective must be one of.
    Raises ConfigError that names every fault with file, line and path.
    """
    with bounds.reading(file, ConfigError):
        document, top = read_keys(Path(file), ExperimentKeys, "an experiment")
        terms = {key: top[key] for key in _Terms.model_fields.keys() & top.keys()}
        found: _Terms = registry.validated(_Terms, terms, "", document.fault)
        document.raise_faults()
        return found.decision


def _write_out(top: dict[str, Any], folder: Path, fault: Fault) -> list[int]:
    """Datasets with their sources apart, systems without `vary`, paths that count from anywhere.

    Returns the place in the file of each system.
    """
    places: list[int] = []
    if isinstance(top.get("datasets"), tuple):
        top["datasets"] = tuple(
            _with_source(rebased(spec, folder, f"datasets[{i}]", fault))
            for i, spec in enumerate(top["datasets"])
        )
    if isinstance(top.get("systems"), tuple):
        systems = []
        for i, spec in enumerate(top["systems"]):
            for one in varied(spec, f"systems[{i}]", fault):
                systems.append(rebased(one, folder, f"systems[{i}]", fault))
                places.append(i)
        top["systems"] = tuple(systems)
    return places


def _claims(name: Any, folder: Path, fault: Fault) -> Path | None:
    """The file of claims, which must be whole before anything is run for its sake."""
    if registry.validated(str, name, "claims", fault) is None:
        return None
    try:
        file: Path = (folder / name).resolve()
        file.exists()  # raises where its name is longer than names of files are
        load_claims(file)
    except ConfigError as error:
        fault("claims", str(error))
    except (OSError, ValueError) as error:
        fault("claims", f"{shown(name)} cannot be looked up: {bounds.why(error)}")
    else:
        return file
    return None


def _with_prompt(block: Mapping[str, Any], folder: Path, fault: Fault) -> dict[str, Any]:
    """The block of a judging model with its prompt's file counted from `folder`, and fit to be used."""
    name = block.get("prompt")
    if not isinstance(name, str):
        return dict(block)
    try:
        file = (folder / Path(name).expanduser()).resolve()
        judge_prompt.loaded(file)
    except (OSError, RuntimeError, ValueError) as error:
        fault(
            "judge.prompt",
            f"{shown(name)} cannot be used: {error.strerror if isinstance(error, OSError) else error}",
        )
    else:
        return {**block, "prompt": file}
    return {**block, "prompt": None}


def _with_source(spec: Any) -> dict[str, Any]:
    if not isinstance(spec, Mapping):
        return {"source": spec}
    beside = {key: spec[key] for key in BESIDE_SOURCE if key in spec}
    return {**beside, "source": {key: spec[key] for key in spec.keys() - beside.keys()}}
