"""What every component has alike whose model runs under torch in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from harness.components.models import inference, positions, references, shelf
from harness.components.protocols import SPEED


@dataclass(frozen=True)
class TorchModel(ABC):
    """The settings of such a component, and what it says of its model.

    A subclass says in `BESIDE` and `LENGTHS` which of its fields are no part of the model in memory,
    and which are lengths.
    """

    needs: ClassVar[tuple[str, ...]] = ("torch", "sentence_transformers")

    BESIDE: ClassVar[Mapping[str, Any]] = {}
    """Fields that the model in memory does not depend on, beside `batch_size`, with one value."""
    LENGTHS: ClassVar[tuple[str, ...]] = ("max_length",)
    """Fields with a number of tokens that the model's positions must hold."""

    model: Any
    """Hub id, folder, `package:` or `dummy:`."""
    batch_size: int | None = field(default=None, metadata=SPEED)
    """Texts in one forward pass; None is what suits the device."""
    device: inference.Device = "auto"
    dtype: inference.Dtype = "float32"
    trust_remote_code: bool = False
    """Run code that comes with the model; allowed only where the model's revision is pinned."""

    def __post_init__(self) -> None:
        """Refuse remote code without a pinned revision, and batches of nothing."""
        references.check_remote_code(self.model, self.trust_remote_code)
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError("batch_size must be at least 1")

    def misfits(self) -> Mapping[str, str]:
        """Lengths beyond the model's positions; what is added to a text is counted in them."""
        return positions.beyond(self.model, {name: getattr(self, name) for name in self.LENGTHS})

    def load(self) -> None:
        """Have the model in memory."""
        self.loaded()

    def loaded(self) -> Any:
        """The model in memory, made if it is not there."""
        key = replace(self, batch_size=None, **self.BESIDE)
        return shelf.loaded(key, self._checked)

    def _checked(self) -> Any:
        self.identity()
        inference.prepare_libraries()
        return self.made()

    def policies(self) -> Mapping[str, Self]:
        """Sizes of batches; this component's own among them."""
        device = inference.pick_device(self.device, self.model)
        variants = [replace(self, batch_size=size) for size in inference.BATCH_SIZES]
        return {inference.policy(one.batch_size, device): one for one in (*variants, self)}

    def attention(self) -> str:
        """How the model computes attention: `sdpa`, `eager` or another name of transformers."""
        config = self.transformer(self.loaded()).config
        return str(getattr(config, "_attn_implementation", "not known"))

    def doc_lengths(self, texts: Sequence[str]) -> Sequence[int]:
        """Tokens of each whole text, without special ones, markers and prompts."""
        return inference.lengths(self.loaded().tokenizer, texts)

    def identity(self) -> Mapping[str, str]:
        """The model's revision; raises ModelError for a part that was never trained."""
        if found := references.find(self.model):
            self.check_trained(found.folder)
        positions.check(self)
        return {"model": references.identity(self.model)}

    @abstractmethod
    def check_trained(self, folder: Path) -> None:
        """Raise ModelError for a part of the model in `folder` that was never trained."""

    @abstractmethod
    def made(self) -> Any:
        """The model, read into memory, with a `tokenizer`; `identity` has found nothing wrong."""

    def transformer(self, model: Any) -> Any:
        """The transformer of a model in memory."""
        return model[0].auto_model


class TorchEncoder(TorchModel, inference.ReadsOneText):
    """What every encoder has alike whose model runs under torch: counts of what it reads."""

    @abstractmethod
    def tokenizing(self) -> inference.Tokenize:
        """What turns documents into the model's input."""

    def count_doc_tokens(self, texts: Sequence[str]) -> list[int]:
        """For each text the number of tokens that the model reads."""
        return inference.count_rows(self.tokenizing(), lambda found: found["attention_mask"], texts)
