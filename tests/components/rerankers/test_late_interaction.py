"""Late interaction over an encoder of literal vectors, and over tiny models."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.components.abilities import Footprint, Stores
from harness.components.encoders.pylate import Pylate
from harness.components.models import inference
from harness.components.protocols import Preparable, Reranker
from harness.components.rerankers.late_interaction import LateInteraction
from harness.components.timing import STAGES, recording
from harness.data import Doc
from harness.files import temporary

VECTORS = {
    "right": [[1.0, 0.0, 0.0, 0.0]],
    "up": [[0.0, 1.0, 0.0, 0.0]],
    "both": [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]],
    "between": [[0.6, 0.8, 0.0, 0.0]],
    "outside": [[0.6, 0.0, 0.8, 0.0]],
}


@dataclass(frozen=True)
class Literal:
    gives: ClassVar = "tokens"

    def encode(self, texts: Sequence[str], side: str) -> list[NDArray[np.float32]]:
        del side
        return [np.array(VECTORS[text], dtype=np.float32) for text in texts]


def docs(*texts: str) -> list[Doc]:
    return [Doc(str(i), text) for i, text in enumerate(texts)]


@pytest.mark.parametrize("documents", ["prepared", "mapped", "on_the_fly"])
def test_scores_by_hand(documents: Any) -> None:
    reranker = LateInteraction(Literal(), documents=documents)
    candidates = docs("right", "up", "both", "between")
    ready = reranker.prepare(candidates)
    assert ready.score("right", candidates) == pytest.approx([1, 0, 1, 0.6])
    assert ready.score("both", candidates) == pytest.approx([1, 1, 2, 1.4])
    assert reranker.score("both", candidates) == pytest.approx([1, 1, 2, 1.4])


def test_queries_together_are_encoded_once() -> None:
    texts: list[list[str]] = []

    @dataclass(frozen=True)
    class Noting(Literal):
        def encode(self, some: Sequence[str], side: str) -> list[NDArray[np.float32]]:
            texts.append(list(some))
            return super().encode(some, side)

    asked = [("right", docs("up", "both")), ("both", docs("right", "up")), ("up", docs("both"))]
    found = LateInteraction(Noting()).score_together(asked)
    assert found == [pytest.approx([0, 1]), pytest.approx([1, 1]), pytest.approx([1])]
    assert texts == [["up", "both", "right"], ["right", "both", "up"]]  # documents, then queries


def test_dim_is_cut_and_brought_back_to_length_1() -> None:
    reranker = LateInteraction(Literal(), dim=2)
    assert reranker.score("right", docs("outside")) == pytest.approx([1.0])  # 0.6 before the cut
    with pytest.raises(ValueError, match="dim 9 is more than the 4"):
        LateInteraction(Literal(), dim=9).score("right", docs("up"))


def test_only_documents_are_quantised() -> None:
    reranker = LateInteraction(Literal(), precision="binary")
    # (0.6, 0.8, 0, 0) becomes (1, 1, -1, -1) / 2; the query (0.6, 0.8, 0, 0) stays.
    assert reranker.score("between", docs("between")) == pytest.approx([0.7])


@pytest.mark.parametrize(
    ("precision", "size"),
    # 3 distinct vectors of 4 dimensions: float32 16 bytes each, int8 4 + 4, binary 1.
    [("float32", 48), ("float16", 24), ("int8", 24), ("binary", 3)],
)
def test_footprint_counts_each_text_once(precision: Any, size: int) -> None:
    prepared = LateInteraction(Literal(), precision=precision).prepare(
        docs("both", "right", "right")
    )
    assert isinstance(prepared, Stores)
    assert prepared.footprints() == [Footprint("token vectors", 2, 3, 4, precision, size)]


def test_prepared_only_knows_its_documents() -> None:
    prepared = LateInteraction(Literal()).prepare(docs("up"))
    with pytest.raises(KeyError):
        prepared.score("right", docs("right"))


@pytest.mark.parametrize("setting", [{"dim": 0}, {"pool_factor": 0}])
def test_settings_below_1_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LateInteraction(Literal(), **setting)  # type: ignore[arg-type]


def test_is_a_reranker_that_can_be_prepared() -> None:
    assert isinstance(LateInteraction(Literal()), Reranker)
    assert isinstance(LateInteraction(Literal()), Preparable)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("precision", ["float32", "float16", "int8", "binary"])
def test_prepared_scores_as_on_the_fly(precision: Any) -> None:
    encoder = Pylate("colbert-ir/colbertv2.0", device="cpu")
    candidates = docs("the cat is blue", "list of stone", "a river, a tree!", "dog " * 9)
    prepared, mapped, on_the_fly = (
        LateInteraction(encoder, dim=8, precision=precision, pool_factor=2, documents=documents)
        .prepare(candidates)
        .score("sort the list", candidates)
        for documents in ("prepared", "mapped", "on_the_fly")
    )
    assert prepared == mapped == on_the_fly


def test_mapped_folder_goes_with_the_reranker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(temporary.CACHE, str(tmp_path))
    prepared = LateInteraction(Literal(), documents="mapped").prepare(docs("up", "both"))
    (folder,) = tmp_path.glob("tmp/*/*")
    assert isinstance(prepared, Stores)
    assert prepared.footprints()[0].bytes == 48
    del prepared
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize("documents", ["prepared", "mapped", "on_the_fly"])
def test_on_a_device_as_on_the_cpu(documents: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def cpu(wanted: str, model: str) -> str:
        assert (wanted, model) == ("cuda", "MaxSim")
        return "cpu"

    monkeypatch.setattr(inference, "pick_device", cpu)
    candidates = docs("right", "up", "both", "between", "up")
    reranker = LateInteraction(Literal(), documents=documents, device="cuda")
    found = reranker.prepare(candidates).score("both", candidates)
    assert found == pytest.approx([1, 1, 2, 1.4, 1])


@pytest.mark.parametrize(
    ("documents", "stages"),
    [
        ("prepared", {"fetch", "encode_query", "score"}),
        ("mapped", {"fetch", "encode_query", "score"}),
        ("on_the_fly", {"encode_docs", "encode_query", "score"}),
    ],
)
def test_stages(documents: Any, stages: set[str]) -> None:
    ready = LateInteraction(Literal(), documents=documents).prepare(docs("up"))
    with recording(STAGES) as seconds:
        ready.score("up", docs("up"))
    assert set(seconds) == stages


def test_counts_the_tokens_of_distinct_texts() -> None:
    @dataclass(frozen=True)
    class Counting(Literal):
        def count_doc_tokens(self, texts: Sequence[str]) -> list[int]:
            return [len(text) for text in texts]

        def count_kept_tokens(self, texts: Sequence[str]) -> list[int]:
            return self.count_doc_tokens(texts)

    assert LateInteraction(Counting()).count_tokens("both", docs("up", "right", "up")) == 7
    assert LateInteraction(Literal()).count_tokens("both", docs("up")) == 0  # it cannot count
