"""One pass through a transformer gives each encoder what a pass of its own would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.components.encoders.pylate import Pylate
from harness.components.encoders.sentence_transformers import SentenceTransformers
from harness.components.models import inference
from harness.errors import ModelError

MINILM = "sentence-transformers/minilm"
TEXTS = ["cat", "the dog is blue", "", "river " * 50, "dog", *(f"tree {i}" for i in range(20))]

pytestmark = pytest.mark.usefixtures("hub")


def identity(document_length: int | None = 32, **settings: Any) -> inference.Pass:
    return Pylate(
        MINILM, projection="identity", document_length=document_length, device="cpu", **settings
    ).document_pass()


def dense(**settings: Any) -> inference.Pass:
    return SentenceTransformers(MINILM, device="cpu", **settings).document_pass()


def test_key_is_equal_where_the_same_ids_meet_the_same_weights() -> None:
    assert dense().key == identity(32).key  # 32 is the model's own max_seq_length


@pytest.mark.parametrize(
    "other",
    [
        lambda: identity(31),
        lambda: identity(None),  # pylate's default of 180
        lambda: identity(document_prefix="[unused1]"),
        lambda: dense(doc_prompt="[unused1]"),
        lambda: dense(dtype="bfloat16"),
        lambda: SentenceTransformers("sentence-transformers/prompted").document_pass(),
    ],
)
def test_key_differs_where_anything_before_the_head_does(other: object) -> None:
    assert callable(other)
    assert other().key != dense().key


def test_marker_and_prompt_of_one_spelling_do_not_share() -> None:
    # A marker is one token put after [CLS]; a prompt is text that is split like any other.
    assert identity(document_prefix="the ").key != dense(doc_prompt="the ").key


def test_shared_pass_gives_what_each_gives_alone() -> None:
    together = inference.run([dense(), identity()], TEXTS)
    for ours, alone in zip(together, (dense(), identity()), strict=True):
        (expected,) = inference.run([alone], TEXTS)
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_order_and_neighbours_do_not_matter() -> None:
    (together,) = inference.run([identity()], TEXTS)
    for text, matrix in zip(TEXTS, together, strict=True):
        ((alone,),) = inference.run([identity()], [text])
        np.testing.assert_allclose(matrix, alone, rtol=0, atol=1e-5)


def test_different_keys_cannot_run_together() -> None:
    with pytest.raises(ValueError, match="one key"):
        inference.run([dense(), identity(31)], TEXTS)


@pytest.mark.parametrize(
    ("size", "batches"), [(1, 25), (10, 3), (None, 4), (inference.ONE_BATCH, 1)]
)
def test_batches_are_of_the_size_asked(size: int | None, batches: int) -> None:
    one = dense(batch_size=size)
    ran: list[int] = []

    def body(features: inference.Features) -> inference.Features:
        ran.append(len(features["input_ids"]))
        return one.body(features)

    inference.run([replace(one, body=body)], TEXTS)  # 25 texts; 8 at once suit a CPU
    assert (len(ran), sum(ran)) == (batches, len(TEXTS))


def test_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert inference.pick_device("auto", "a model") == "cpu"
    with pytest.raises(ModelError, match="a model is to run on 'cuda'"):
        inference.pick_device("cuda", "a model")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert inference.pick_device("auto", "a model") == "cuda"
