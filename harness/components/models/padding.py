"""Rows of token ids that go through a model together, and what fills the shorter ones up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import ModelError

Row = dict[str, list[int]]
"""What the model reads of a text or pair: token ids, and what goes with them."""

NONE = -1
"""An id that no token has."""

STAND_INS = ("eos_token", "sep_token", "unk_token", "bos_token", "cls_token")
"""What fills rows up where a tokenizer has no padding token; it is masked, so that any does."""


def settle(model: Any) -> None:
    """Have a cross-encoder's model and its tokenizer agree on the padding.

    A decoder scores by the last token that is not the padding of its configuration; where that names
    none it scores by the last token of every row.
    """
    config, filler = model.config, model.tokenizer.pad_token_id
    if config.pad_token_id is None:
        config.pad_token_id = NONE
    elif filler is not None:
        config.pad_token_id = filler


def fills(model: Any) -> bool:
    """Whether rows of different length can go through a cross-encoder together.

    Where the two know no common padding, any token that stood in for it could be the last one of a
    text, by which a decoder scores.
    """
    filler = model.tokenizer.pad_token_id
    rows = getattr(model.config, "vocab_size", None)
    return (
        filler is not None
        and filler == model.config.pad_token_id
        and (rows is None or filler < rows)
    )


def tensors(tokenizer: Any, rows: Sequence[Row]) -> Mapping[str, Any]:
    """Some rows as tensors; those of one length need no padding."""
    import torch

    if len({len(row["input_ids"]) for row in rows}) == 1:
        return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}
    features: Mapping[str, Any] = tokenizer.pad(list(rows), return_tensors="pt")
    return features


def give(tokenizer: Any, model: str) -> None:
    """Let an encoder's tokenizer fill rows up, by another token of its own if it has no padding.

    Raises ModelError where it has no special token at all.
    """
    if tokenizer.pad_token_id is not None:
        return
    named = (getattr(tokenizer, name) for name in STAND_INS)
    found = next((token for token in named if token is not None), None)
    if found is None:
        raise ModelError(
            f"The tokenizer of the model {model!r} has no padding token and no other special token "
            "that could stand in for it: name one as `pad_token` in its tokenizer_config.json."
        )
    tokenizer.pad_token = found
