"""What students save is what the ecosystem's libraries and our own components read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from harness.components.encoders.pylate import Pylate
from harness.components.hardware import threads
from harness.components.models import references
from harness.components.models.trained import (
    CrossEncoderTraining,
    LateInteractionTraining,
    Negatives,
)
from harness.components.rerankers.cross_encoder import CrossEncoder
from harness.components.rerankers.late_interaction import LateInteraction
from harness.components.retrievers.bm25 import Bm25
from harness.data import Doc
from harness.errors import ModelError
from harness.files import digests, temporary
from harness.training.body import encoder_folder
from harness.training.cross_encoder import CrossEncoderStudent
from harness.training.examples import Examples, Group
from harness.training.late_interaction import LateInteractionStudent, body_of
from harness.training.loop import fit

NEGATIVES = Negatives(Bm25(), 10, 2)
GROUPS = [
    Group("the cat", ("the blue cat", "a dog of stone", "sort the list")),
    Group("blue river", ("the river is blue", "a tree", "list of the stone dog tree cat")),
]
EXAMPLES = Examples(GROUPS, GROUPS, {})


def cross_encoder(base: str, **fields: Any) -> CrossEncoderStudent:
    return CrossEncoderStudent(CrossEncoderTraining(base, NEGATIVES, max_length=16, **fields))


def late_interaction(base: str, **fields: Any) -> LateInteractionStudent:
    fields = {"dims": (16, 8), "max_length": 20, "query_length": 10, **fields}
    training = LateInteractionTraining(base, NEGATIVES, **fields)
    return LateInteractionStudent(training, body_of(training), EXAMPLES)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training in float32, which scoring is in."""
    monkeypatch.setattr(threads, "multiplies_bfloat16", lambda: False)


@pytest.mark.usefixtures("exact")
def test_a_trained_cross_encoder_scores_as_the_component_does(base: str, tmp_path: Path) -> None:
    student = cross_encoder(base)
    training = CrossEncoderTraining(base, NEGATIVES, batch_groups=1, epochs=1)
    fit(student, EXAMPLES, training, tmp_path / "partial", lambda *_: None)
    student.save(tmp_path / "model")
    with torch.inference_mode():
        scores = student.scores(GROUPS)[0]
    component = CrossEncoder(str(tmp_path / "model"))
    for group, row in zip(GROUPS, scores, strict=True):
        found = component.score(group.query, [Doc(text, text) for text in group.texts])
        assert found == pytest.approx(row.tolist(), abs=1e-5)
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertForSequenceClassification"]


def test_a_trained_cross_encoder_loads_in_sentence_transformers(base: str, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder as Loaded

    cross_encoder(base, layers=1).save(tmp_path / "model")
    loaded = Loaded(str(tmp_path / "model"), local_files_only=True)
    assert loaded.config.num_hidden_layers == len(loaded.model.bert.encoder.layer) == 1
    assert loaded.max_length == 16
    assert loaded.predict([("cat", "dog")]).shape == (1,)


def test_heads_are_drawn_by_the_seed(base: str) -> None:
    one, again, other = (cross_encoder(base, seed=s).module.classifier for s in (1, 1, 2))
    assert torch.equal(one.weight, again.weight)
    assert not torch.equal(one.weight, other.weight)


def test_frozen_layers_stay_as_they_are(base: str, tmp_path: Path) -> None:
    student = cross_encoder(base, frozen_layers=1)
    names = [name for name, p in student.module.named_parameters() if p.requires_grad]
    trained = ("bert.encoder.layer.1.", "bert.pooler.", "classifier.")
    assert {start for start in trained for name in names if name.startswith(start)} == set(trained)
    assert all(name.startswith(trained) for name in names)
    before = {k: v.clone() for k, v in student.module.state_dict().items()}
    training = CrossEncoderTraining(base, NEGATIVES, batch_groups=1, learning_rate=0.1)
    fit(student, EXAMPLES, training, tmp_path / "partial", lambda *_: None)
    changed = {k for k, v in student.module.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert changed <= set(names)


@pytest.mark.parametrize(
    "fields", [{"layers": 3}, {"frozen_layers": 2}, {"layers": 1, "frozen_layers": 1}]
)
def test_layers_that_are_not_there(base: str, fields: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=r"has 2 layers, so that . cannot be kept and . of them"):
        cross_encoder(base, **fields)


@pytest.mark.parametrize("kind", ["gpt2", None])
def test_a_base_that_is_no_encoder(kind: str | None, tmp_path: Path) -> None:
    folder = tiny.bare_bert(tmp_path / "base")
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["model_type"] = kind
    file.write_text(json.dumps({k: v for k, v in config.items() if v}), encoding="utf-8")
    with pytest.raises(ModelError, match=f"is no encoder: .* \\({kind or 'not named'}\\)"):
        encoder_folder(CrossEncoderTraining(str(folder), NEGATIVES))


def test_bfloat16_comes_close(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for fast in (True, False):
        monkeypatch.setattr(threads, "multiplies_bfloat16", lambda fast=fast: fast)
        found.append(cross_encoder(base).scores(GROUPS))
    assert found[0].dtype == torch.float32
    assert not torch.equal(*found)
    torch.testing.assert_close(*found, atol=0.1, rtol=0.1)


def test_no_dropout_is_left(base: str) -> None:
    student = cross_encoder(base)
    student.module.train()
    assert torch.equal(student.scores(GROUPS), student.scores(GROUPS))


def test_a_trained_projection_scores_as_the_component_does(base: str, tmp_path: Path) -> None:
    student = late_interaction(base)
    training = LateInteractionTraining(base, NEGATIVES, batch_groups=1, dims=(16, 8))
    fit(student, EXAMPLES, training, tmp_path / "partial", lambda *_: None)
    student.save(tmp_path / "model")
    with torch.inference_mode():
        scores = student.scores(GROUPS)
    assert scores.shape == (2, 2, 3)
    for dim, view in zip((16, 8), scores, strict=True):
        component = LateInteraction(Pylate(str(tmp_path / "model")), dim=dim)
        for group, row in zip(GROUPS, view, strict=True):
            found = component.score(group.query, [Doc(text, text) for text in group.texts])
            assert found == pytest.approx(row.tolist(), abs=1e-4)


def test_a_trained_projection_loads_in_pylate(base: str, tmp_path: Path) -> None:
    from pylate.models import ColBERT

    late_interaction(base).save(tmp_path / "model")
    loaded = ColBERT(str(tmp_path / "model"), device="cpu", local_files_only=True)
    (matrix,) = loaded.encode(["the blue cat"], is_query=True, show_progress_bar=False)
    assert matrix.shape == (5, 16)  # [CLS] the blue cat [SEP]: no marker, no expansion
    assert (loaded.query_length, loaded.document_length) == (10, 20)


def test_it_begins_with_the_directions_that_keep_most(base: str) -> None:
    """Inner products of 32 dimensions are kept better by principal directions than by any 16."""
    student = late_interaction(base)
    weight = student.module.weight.detach().numpy()
    np.testing.assert_allclose(weight @ weight.T, np.eye(16), atol=1e-5)
    encoder = body_of(LateInteractionTraining(base, NEGATIVES, max_length=20, query_length=10))
    rows = np.concatenate(encoder.encode([t for g in GROUPS for t in g.texts], "doc"))
    kept = np.square(rows @ weight.T).sum()
    assert kept > np.square(rows[:, :16]).sum()
    assert kept == pytest.approx(np.square(np.linalg.svd(rows, compute_uv=False)[:16]).sum(), 1e-4)


def test_more_dimensions_than_there_are(base: str) -> None:
    with pytest.raises(ModelError, match="have 32 dimensions, so that 64 cannot be learnt"):
        late_interaction(base, dims=(64, 16))


def test_a_base_that_is_not_here() -> None:
    training = CrossEncoderTraining("nobody/nothing", NEGATIVES)
    with pytest.raises(ModelError, match="wanted by the training of a cross-encoder"):
        encoder_folder(training)


def test_where_trained_models_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(temporary.CACHE, str(tmp_path))
    assert references.find("trained:abc") is None
    with pytest.raises(ModelError, match=r"is trained when its experiment is run"):
        references.folder("trained:abc", "x")
    place = references.trained_folder("trained:abc")
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    (place / "model.safetensors").write_bytes(b"weights")
    digests.seal(place)
    assert references.folder("trained:abc", "x") == place == tmp_path / "models" / "abc"


def test_weights_are_checked_by_who_loads_or_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And by nobody else: a report of 170 MB of them takes no longer for it."""
    monkeypatch.setenv(temporary.CACHE, str(tmp_path))
    place = references.trained_folder("trained:abc")
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    (place / "model.safetensors").write_bytes(b"weights")
    digests.seal(place)
    (place / "model.safetensors").write_bytes(b"another")
    assert references.find("trained:abc") == references.ModelFolder("trained:abc", place, "")
    assert not references.is_trained("trained:abc")
    with pytest.raises(ModelError, match="or is damaged"):
        references.folder("trained:abc", "x")
    (place / "model.safetensors").unlink()
    assert references.find("trained:abc") is None
