"""Models for Candle: found on this machine, laid out as the package candding reads them.

candding knows how the models of a catalogue of its own are built, and takes them by name from the
hub's cache. Here the name only says how a model is built; what lies under it is a folder, found as
every model of the project is, and nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from harness.components import requirements
from harness.components.hardware import threads
from harness.components.models import inference, positions, references, shelf
from harness.components.protocols import SPEED
from harness.errors import ModelError
from harness.files import temporary
from harness.files.wrong_values import did_you_mean

REVISION = "0" * 40
"""What the one version of a model is called in the cache that is laid out."""


@dataclass(frozen=True)
class CandleModel(ABC):
    """The settings of every component whose model Candle runs, and the model itself."""

    needs: ClassVar[tuple[str, ...]] = ("candding", "tokenizers")

    BESIDE: ClassVar[Mapping[str, Any]] = {"batch_size": None, "threads": None}
    """Fields that the model in memory does not depend on, with one value."""

    model: str
    """Hub id, folder or `package:` that holds the weights for torch and tokenizer.json."""
    known_as: str | None = None
    """The model of candding's catalogue that this one is built as; None is the hub id in `model`.
    Layers and sizes come from the model's files; pooling and the like from the catalogue."""
    max_length: int | None = None
    """Tokens read of a text, or of query and document together; None is what the catalogue says, or
    all positions where there are fewer. The limit in the model's files is not read."""
    batch_size: int | None = field(default=None, metadata=SPEED)
    """Texts in one run; None is one, which takes the least time on a CPU."""
    threads: int | None = field(default=None, metadata=SPEED)
    """Threads that multiply matrices; None: as many as all libraries have, one for each usable core."""

    def __post_init__(self) -> None:
        """Refuse numbers below 1."""
        for name in ("max_length", "batch_size", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1")

    @classmethod
    @abstractmethod
    def catalogue(cls) -> Mapping[str, Mapping[str, Any]]:
        """By name what candding says of the models that can be named."""

    @abstractmethod
    def made(self, settings: Mapping[str, Any]) -> Any:
        """A model of candding's, made with its `settings`."""

    @property
    def name(self) -> str:
        """The model's name in the catalogue."""
        return self.known_as or self.model.partition("@")[0]

    @property
    def described(self) -> Mapping[str, Any]:
        """What the catalogue says of it."""
        return self.catalogue()[self.name]

    def misfits(self) -> Mapping[str, str]:
        """A length beyond the model's positions, and a name that the catalogue does not have."""
        wrong = positions.beyond(self.model, {"max_length": self.max_length})
        if not self.installed():  # of which the plan tells
            return wrong
        there = self.catalogue()
        if self.name not in there:
            guess = did_you_mean(self.name, there) or f"; it has {', '.join(there)}"
            wrong["known_as"] = f"nothing here can be built as {self.name!r}{guess}"
        return wrong

    @classmethod
    def installed(cls) -> bool:
        """Whether its packages are here."""
        return all(requirements.lack(package) is None for package in cls.needs)

    def identity(self) -> Mapping[str, str]:
        """The hub's revision, or the digest of the weights."""
        positions.check(self)
        return {"model": references.identity(self.model)}

    def policies(self) -> Mapping[str, Self]:
        """Sizes of batches, which score alike, this component's own among them."""
        variants = [replace(self, batch_size=size) for size in (1, *inference.BATCH_SIZES)]
        return {inference.policy(one.texts_per_run(), "cpu"): one for one in (*variants, self)}

    def texts_per_run(self) -> int:
        """The size of batches."""
        return self.batch_size or 1

    def load(self) -> None:
        """Have the model in memory."""
        self.loaded()

    def loaded(self) -> Loaded:
        """The model in memory, made if it is not there."""
        bare = replace(self, **self.BESIDE)
        found: Loaded = shelf.loaded(bare, lambda: _made(bare))
        return found

    @contextlib.contextmanager
    def running(self) -> Iterator[Loaded]:
        """The model; matrices are multiplied by so many threads in the block."""
        found = self.loaded()
        with _environment(RAYON_NUM_THREADS=str(self.threads or threads.threads_now())):
            yield found

    def doc_lengths(self, texts: Sequence[str]) -> Sequence[int]:
        """Tokens of each whole text, without special ones and prompts."""
        return self.loaded().lengths(texts)


class Loaded(NamedTuple):
    """A model in memory."""

    candle: Any
    """What is asked."""
    plain: Any
    """The model's tokenizer, but it cuts nothing."""

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of its tokens, nothing cut and no special ones added."""
        rows = self.plain.encode_batch(list(texts), add_special_tokens=False)
        return [len(row.ids) for row in rows]

    def room(self, *, pair: bool) -> int:
        """Tokens that are read beside the special ones."""
        return int(self.candle.max_length) - int(self.plain.num_special_tokens_to_add(pair))


def _made(component: CandleModel) -> Loaded:
    component.identity()
    import candding
    from tokenizers import Tokenizer

    folder = references.folder(component.model, "a component")
    laid = str(_laid_out(folder, component.name))
    settings = {"device": "cpu", "dtype": "f32", "max_length": component.max_length}
    try:
        with _environment(HF_HUB_CACHE=laid, HF_HUB_OFFLINE="1"):
            made = component.made(settings)
    except candding.CanddingError as error:
        why = str(error).splitlines()[0]  # a stack of addresses follows
        raise ModelError(
            f"The model {component.model!r} cannot be loaded by Candle as {component.name!r}: {why}"
        ) from error
    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    plain.no_truncation()
    plain.no_padding()
    return Loaded(made, plain)


@functools.cache
def _laid_out(folder: Path, name: str) -> Path:
    """A temporary cache of the hub whose model `name` is the folder; there until the exit."""
    cache = temporary.folder()
    repository = cache / f"models--{name.replace('/', '--')}"
    for part in ("refs", "snapshots"):
        (repository / part).mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION, encoding="utf-8")
    (repository / "snapshots" / REVISION).symlink_to(folder.resolve(), target_is_directory=True)
    return cache


@contextlib.contextmanager
def _environment(**wanted: str) -> Iterator[None]:
    """Variables of the environment as wanted in the block, where candding looks at each call."""
    changed = {name: value for name, value in wanted.items() if os.environ.get(name) != value}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
