"""What `--dataset` says: a folder, the name of a dataset, or a whole specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.components.protocols import DatasetSource
from harness.components.registry import build, names
from harness.errors import ConfigError
from harness.files.bounds import name_fault, reading
from harness.files.wrong_values import shown
from harness.files.yaml_lines import parse_yaml


def dataset_spec(text: str) -> Mapping[str, Any]:
    """A dataset's specification from the command line; its paths count from this folder.

    Raises ConfigError for what may be a folder here or a dataset of that name.
    """
    with reading(f"--dataset {shown(text)}", ConfigError):
        if not text.startswith("{"):
            if not Path(text).is_dir():
                return {"use": text}
            if text in names("datasets"):
                raise ConfigError(
                    f"--dataset {text} may be the folder here or the dataset of that name: write "
                    f"./{text} for the folder, '{{use: {text}}}' for the dataset."
                )
            return {"use": "files", "path": str(Path(text).resolve())}
        document = parse_yaml(text, "--dataset")
        document.raise_faults()
        spec = dict(document.value)
        if isinstance(spec.get("path"), str):
            spec["path"] = str(Path(spec["path"]).resolve())
        return spec


def dataset_names(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of datasets that `dataset_spec` gave, without the experiment or any data.

    Raises ConfigError for what is no dataset.
    """
    found: list[str] = []
    faults: list[str] = []
    for spec in specs:
        given = {key: value for key, value in spec.items() if key not in ("name", "subset")}
        source = build(
            (DatasetSource,), given, "--dataset", lambda *fault: faults.append(": ".join(fault))
        )
        name = spec.get("name") or (source.label() if source else "")
        if not isinstance(name, str) or name_fault(name):
            faults.append(f"--dataset.name: {shown(name)} is no name of a dataset")
        found.append(str(name))
    if faults:
        raise ConfigError("; ".join(faults))
    return found
