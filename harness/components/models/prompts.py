"""The texts that an encoder's model wants before queries and documents, and who says so.

The experiment file, else the checkpoint, else the catalogue: many checkpoints leave out what their
model cards and published results have. So a model is measured as it was published, and alike with
random weights.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.components.models import catalogue, inference, references
from harness.components.models.catalogue import Sides
from harness.components.protocols import Side
from harness.errors import InputError
from harness.files.disk import read_json

QUERY = ("query",)
DOCUMENT = ("document", "passage", "corpus")
"""The prompt names that sentence-transformers looks for, in this order."""


SIDES = {"query_prompt": "queries", "doc_prompt": "documents"}
"""What stands behind a prompt, by the encoder's field that says it; None leaves it to the model."""


class Prompted(inference.ReadsOneText):
    """An encoder that puts the prompts itself, because its library leaves them to its caller."""

    @abstractmethod
    def loaded(self) -> Any:
        """The model in memory, with `lengths(texts)` and `room(pair)` in tokens."""

    def notes(self) -> Iterator[str]:
        """Which prompts come from the catalogue."""
        return notes(self)

    def room_of(self, side: Side) -> int:
        """The limit beside special tokens and the prompt."""
        found = self.loaded()
        room: int = found.room(pair=False) - found.lengths(self.read([""], side))[0]
        return max(room, 0)

    def read(self, texts: Sequence[str], side: Side) -> list[str]:
        """The texts with their prompts, as the model reads them."""
        prompt = before(side, self)
        return [prompt + text for text in texts]


def before(side: Side, encoder: Any) -> str:
    """What is put before a query or document: what the experiment file says, else of the model."""
    name = f"{side}_prompt"
    said: str | None = getattr(encoder, name)
    return _of_model(encoder).get(name, "") if said is None else said


def added(encoder: Any) -> dict[str, str]:
    """What the catalogue adds, as part of an encoder's identity."""
    if any(_own(encoder).values()):
        return {}
    known = _known(encoder.model)
    return {name: text for name, text in known.items() if getattr(encoder, name) is None}


def notes(encoder: Any) -> Iterator[str]:
    """A sentence on each prompt that the catalogue adds."""
    for name, text in added(encoder).items():
        yield (
            f"{text!r} is put before {SIDES[name]}: the catalogue has it of {encoder.model}, whose files name "
            f"no prompt; `{name}: ''` leaves it out."
        )


def unused(encoder: Any) -> Iterator[str]:
    """A sentence on each prompt that the catalogue knows of a server's model and nothing here puts."""
    for name, text in _known(encoder.model).items():
        if not getattr(encoder, name):
            yield (
                f"the catalogue has {text!r} before {SIDES[name]} of {encoder.model}, and none is put "
                f"there here; if the server does not do it, say `{name}`."
            )


def _known(model: str) -> dict[str, str]:
    """By setting the prompts of the catalogue."""
    known = catalogue.known(model)
    found = known.prompts if known and known.prompts else Sides()
    both = {"query_prompt": found.query, "doc_prompt": found.document}
    return {name: text for name, text in both.items() if text}


def _of_model(encoder: Any) -> dict[str, str]:
    """By setting the prompts of the model's files, else of the catalogue."""
    own = _own(encoder)
    if any(own.values()):
        return {"query_prompt": _first(own, QUERY), "doc_prompt": _first(own, DOCUMENT)}
    return _known(encoder.model)


def _own(encoder: Any) -> Mapping[str, str]:
    """The prompts of the model's files; only one that is read as ONNX has a `file`."""
    try:
        found = references.find(encoder.model, getattr(encoder, "file", None))
    except InputError:  # the plan tells
        return {}
    file_of_prompts = "config_sentence_transformers.json"
    return (read_json(found.folder / file_of_prompts).get("prompts") if found else None) or {}


def _first(prompts: Mapping[str, str], names: Sequence[str]) -> str:
    return next((prompts[name] for name in names if prompts.get(name)), "")
