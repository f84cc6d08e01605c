"""Paths of an experiment file, which count from its folder, made absolute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.components.models.references import FOLDER, two_meanings
from harness.components.registry import Fault
from harness.files import bounds
from harness.files.wrong_values import shown


def rebased(spec: Any, folder: Path, path: str, fault: Fault) -> Any:
    """`spec` with every path in it counted from `folder`; one that cannot be is noted."""
    if isinstance(spec, tuple):
        return tuple(rebased(item, folder, f"{path}[{i}]", fault) for i, item in enumerate(spec))
    if not isinstance(spec, Mapping):
        return spec
    found = {}
    for key, value in spec.items():
        where = f"{path}.{key}"
        if not isinstance(value, str):
            found[key] = rebased(value, folder, where, fault)
            continue
        try:
            found[key] = _value(key, value, spec, folder, where, fault)
        except (OSError, RuntimeError, ValueError) as error:
            fault(where, f"{shown(value)} cannot be looked up: {bounds.why(error)}")
    return found


def _value(
    key: str, value: str, spec: Mapping[str, Any], folder: Path, where: str, fault: Fault
) -> str:
    here = key in ("model", "base") and "url" not in spec  # a server has its own
    names_folder = here and value.startswith(FOLDER)
    if here and not names_folder and (twofold := two_meanings(value, folder, Path())):
        fault(where, twofold)
    if not (names_folder or key == "path" or (key.endswith("_path") and value != "")):
        return value
    found = (folder / Path(value).expanduser()).resolve()
    found.exists()  # raises where a part of it is longer than names of files are
    return str(found)
