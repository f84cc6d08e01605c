"""ONNX models for fastembed: found on this machine, laid out as it reads them, checked once loaded.

fastembed knows models by names of its own and downloads them into a cache of its own. Here it is
only ever given a folder, found as every model of the project is: nothing is downloaded, and what
runs is what was fingerprinted.
"""

from __future__ import annotations

import contextlib
import functools
import json
import mmap
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal, NamedTuple, Self

from harness.components.hardware import threads
from harness.components.models import hub, inference, padding, positions, references, shelf
from harness.components.protocols import SPEED
from harness.errors import ModelError
from harness.files import temporary

RESTING = ("session.force_spinning_stop", "1")
"""onnxruntime_session_options_config_keys.h: threads stop spinning when the last call returns."""

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "mps": "CoreMLExecutionProvider",
}
"""By device what ONNX Runtime calls it."""

TEXTS_PER_RUN = {"cpu": 1, "cuda": 128, "mps": 32}
"""On a CPU one text at a time was fastest, and no other text of a batch reaches its vector."""

ROUNDED_AT_RUN_TIME = b"DynamicQuantize"
"""How operators begin that round numbers by a scale which all texts of a run share."""

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What fastembed can give a graph."""

LIMITS = ("model_max_length", "max_length")
"""Keys of tokenizer_config.json of which fastembed reads the lesser."""

PROBE = "the shape of what comes out"


@dataclass(frozen=True)
class OnnxModel(ABC):
    """The settings of every component whose ONNX model fastembed runs, and the model itself."""

    needs: ClassVar[tuple[str, ...]] = ("fastembed",)

    BESIDE: ClassVar[Mapping[str, Any]] = {}
    """Fields that the model in memory does not depend on, beside `batch_size`, with one value."""

    model: str
    """Hub id, folder or `package:` that holds the ONNX file and the tokenizer. It is the repository
    itself, which the name that fastembed has for a model is not always."""
    file: str = "onnx/model.onnx"
    """The ONNX file in it; those of several number formats may lie side by side."""
    max_length: int | None = None
    """Tokens read of a text, or of query and document together; None is what fastembed reads: the
    lesser of model_max_length and max_length in tokenizer_config.json. The limit of
    sentence-transformers stands elsewhere, and often differs."""
    batch_size: int | None = field(default=None, metadata=SPEED)
    """Texts in one run; None is one on a CPU, and what suits the device elsewhere."""
    threads: int | None = field(default=None, metadata=SPEED)
    """Threads of ONNX Runtime; None: as many as all libraries have, one for each usable core."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """Where it runs."""
    providers: tuple[str, ...] = ()
    """Execution providers of ONNX Runtime, the first preferred; none named: that of the device."""

    def __post_init__(self) -> None:
        """Refuse numbers below 1, and a file outside the model's folder."""
        for name in ("max_length", "batch_size", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1")
        file = PurePath(self.file)
        if file.is_absolute() or ".." in file.parts or file.suffix != ".onnx":
            raise ValueError(f"{self.file!r} is no .onnx file in the folder of the model")

    def misfits(self) -> Mapping[str, str]:
        """A length beyond the model's positions."""
        return positions.beyond(self.model, {"max_length": self.max_length}, self.file)

    def identity(self) -> Mapping[str, str]:
        """The hub's revision, or the digests of graph and tokenizer; and who shares a scale."""
        positions.check(self)
        found = {"model": references.identity(self.model, self.file)}
        if references.find(self.model, self.file) is not None and self._rounds_together():
            found["texts_per_run"] = str(self.texts_per_run())
        return found

    def texts_per_run(self) -> int:
        """The size of batches."""
        return self.batch_size or TEXTS_PER_RUN[self.device]

    def policies(self) -> Mapping[str, Self]:
        """Sizes of batches that score alike, this component's own among them."""
        sizes = (1, *inference.BATCH_SIZES) if not self._rounds_together() else ()
        variants = [replace(self, batch_size=size) for size in sizes]
        return {inference.policy(one.texts_per_run(), one.device): one for one in (*variants, self)}

    def load(self) -> None:
        """Have the model in memory."""
        self.loaded()

    def loaded(self) -> Loaded:
        """The model in memory, made if it is not there."""
        bare = replace(self, **self.BESIDE)
        key = (replace(bare, batch_size=None), self.threads or threads.threads_now())
        found: Loaded = shelf.loaded(key, lambda: _made(bare))
        return found

    def doc_lengths(self, texts: Sequence[str]) -> Sequence[int]:
        """Tokens of each whole text, without special ones, markers and prompts."""
        return self.loaded().lengths(texts)

    @property
    def as_file(self) -> str:
        """What the graph is called where fastembed looks for it."""
        return "model.onnx"

    @abstractmethod
    def made(self, settings: Mapping[str, Any]) -> Any:
        """A model of fastembed's, made with its `settings`."""

    @abstractmethod
    def check(self, found: Loaded) -> None:
        """Raise ModelError where the graph is not of the kind that is wanted."""

    def _rounds_together(self) -> bool:
        """Whether the texts of a batch change each other's scores."""
        return rounds_together(references.folder(self.model, "a component", self.file) / self.file)


class Loaded(NamedTuple):
    """A model in memory."""

    fastembed: Any
    """What is asked."""
    inner: Any
    """What does it: `tokenizer` and, as `model`, the session of ONNX Runtime."""
    plain: Any
    """The tokenizer, but it cuts nothing."""

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of its tokens, nothing cut and no special ones added."""
        rows = self.plain.encode_batch(list(texts), add_special_tokens=False)
        return [len(row.ids) for row in rows]

    def room(self, *, pair: bool) -> int:
        """Tokens that are read beside the special ones."""
        limit: int = self.inner.tokenizer.truncation["max_length"]
        return limit - int(self.inner.tokenizer.num_special_tokens_to_add(pair))

    def shape(self, *probe: str) -> tuple[int, ...]:
        """The shape of the graph's first output for a text, or a pair of texts."""
        import numpy as np

        row = self.inner.tokenizer.encode(*probe)
        given = dict(zip(INPUTS, (row.ids, row.attention_mask, row.type_ids), strict=True))
        feed = {name: np.array([given[name]], dtype=np.int64) for name in self.inputs()}
        shape: tuple[int, ...] = self.inner.model.run(None, feed)[0].shape
        return shape

    def inputs(self) -> list[str]:
        """What the graph wants."""
        return [node.name for node in self.inner.model.get_inputs()]


def _made(component: OnnxModel) -> Loaded:
    component.identity()
    folder = references.folder(component.model, "a component", component.file)
    hub.tell_libraries(online=False)
    wanted = _providers(component)
    laid = _laid_out(folder, component.file, component.as_file, component.max_length)
    settings = {
        "specific_model_path": str(laid),
        "cache_dir": str(laid),
        "threads": component.threads or threads.threads_now(),
        "providers": wanted,
        "local_files_only": True,
    }
    with _still_between_calls():
        made = _opened(component, settings)
    found = Loaded(made, made.model, _uncut(made.model.tokenizer))
    running = found.inner.model.get_providers()
    if running[0] != wanted[0]:
        raise ModelError(
            f"{named(component)} was to run by {wanted[0]}, which ONNX Runtime could not start: it "
            f"fell back to {running[0]}. Mend its libraries, or name another provider."
        )
    strange = [name for name in found.inputs() if name not in INPUTS]
    if strange:
        raise ModelError(
            f"{named(component)} wants {', '.join(strange)}, which fastembed does not give it; it "
            f"gives {', '.join(INPUTS)}. Export the model without further inputs."
        )
    component.check(found)
    return found


@contextlib.contextmanager
def _still_between_calls() -> Iterator[None]:
    """Sessions made in the block let their threads rest after a call.

    Left to themselves these go on asking for work, on cores that the next call of another library
    is timed on. fastembed hands such options on to none of its models.
    """
    import onnxruntime

    usual = onnxruntime.SessionOptions

    def resting() -> Any:
        options = usual()
        options.add_session_config_entry(*RESTING)
        return options

    onnxruntime.SessionOptions = resting
    try:
        yield
    finally:
        onnxruntime.SessionOptions = usual


def _opened(component: OnnxModel, settings: Mapping[str, Any]) -> Any:
    """The component's model; what fastembed and ONNX Runtime say of a broken one as a ModelError."""
    from onnxruntime.capi import onnxruntime_pybind11_state as faults

    try:
        return component.made(settings)
    except (
        ValueError,
        faults.Fail,
        faults.InvalidArgument,
        faults.InvalidGraph,
        faults.InvalidProtobuf,
        faults.NoSuchFile,
    ) as error:
        why = " ".join(str(error).split())
        raise ModelError(f"{named(component)} cannot be loaded as ONNX: {why}") from error


def named(component: OnnxModel) -> str:
    """The model as it stands in messages."""
    return f"The model {component.model!r} ({component.file})"


def _providers(component: OnnxModel) -> list[str]:
    import onnxruntime

    wanted = component.providers or (PROVIDERS[component.device],)
    there = onnxruntime.get_available_providers()
    absent = [name for name in wanted if name not in there]
    if absent:
        raise ModelError(
            f"{named(component)} is to run by {', '.join(absent)}, which the ONNX Runtime of this "
            f"machine does not have; it has {', '.join(there)}."
        )
    return list(wanted)


@functools.cache
def _laid_out(folder: Path, file: str, as_file: str, max_length: int | None) -> Path:
    """A temporary folder with the graph and tokenizer as fastembed wants them; there until the exit."""
    aside = temporary.folder()
    for name in references.READ_WITH_ONNX:
        if (folder / name).exists():
            shutil.copyfile(folder / name, aside / name)
    settings = json.loads((aside / "tokenizer_config.json").read_text(encoding="utf-8"))
    named = [settings.get(name) or positions.NO_LIMIT for name in LIMITS]
    limit = max_length or positions.usable(min(named), positions.configuration(folder))
    settings |= dict.fromkeys(LIMITS, limit)
    fillers = (settings.get(name) for name in ("pad_token", *padding.STAND_INS))
    filler = next((token for token in fillers if token), None)
    settings["pad_token"] = filler["content"] if isinstance(filler, dict) else filler
    (aside / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    (aside / as_file).parent.mkdir(exist_ok=True)
    for part in folder.glob(f"{file}*"):  # with weights that lie outside the graph's own file
        name = PurePath(as_file).name if part == folder / file else part.name
        _put(part.resolve(), (aside / as_file).with_name(name))
    return aside


def _put(file: Path, place: Path) -> None:
    """The same file in another place; ONNX Runtime follows no symbolic links to weights."""
    try:
        os.link(file, place)
    except OSError:  # on another file system
        shutil.copyfile(file, place)


def _uncut(tokenizer: Any) -> Any:
    plain = type(tokenizer).from_str(tokenizer.to_str())
    plain.no_truncation()
    plain.no_padding()
    return plain


@functools.cache
def rounds_together(graph: Path) -> bool:
    """Whether a graph rounds its activations by a scale that depends on all texts of a run."""
    with graph.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as held:
        return held.find(ROUNDED_AT_RUN_TIME) >= 0
