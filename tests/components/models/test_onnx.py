"""ONNX models: written, found, fingerprinted, refused by name, and run with what was asked for."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from harness.cli import commands
from harness.components.encoders.fastembed import Fastembed
from harness.components.hardware import devices, limits
from harness.components.hardware import threads as hardware_threads
from harness.components.models import downloads, onnx, references
from harness.components.models.onnx import OnnxModel
from harness.components.rerankers.fastembed import Fastembed as Reranker
from harness.errors import ModelError, PackageError
from harness.experiment.keys import component_key
from harness.training.onnx_agreement import LEAST, Agreement, compared
from harness.training.onnx_export import FLOAT32, INT8, export

Exported = Callable[[str], str]

MINILM = "sentence-transformers/minilm"

pytestmark = pytest.mark.usefixtures("hub", "no_network")


@pytest.fixture
def folder(exported: Exported, tmp_path: Path) -> Path:
    """A copy of an exported model, to be broken."""
    return Path(shutil.copytree(exported(MINILM), tmp_path / "mine"))


def test_both_number_formats_and_what_is_read_beside_them_are_written(exported: Exported) -> None:
    place = Path(exported(MINILM))
    assert {str(f.relative_to(place)) for f in place.rglob("*") if f.is_file()} >= {
        *(FLOAT32, INT8, "tokenizer.json", "tokenizer_config.json", "config.json"),
        *("modules.json", "1_Pooling/config.json"),
    }
    assert not onnx.rounds_together(place / FLOAT32)
    assert onnx.rounds_together(place / INT8)


def test_command_prints_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["onnx", "google-bert/bert", str(tmp_path)]) == 0
    *files, told = capsys.readouterr().out.splitlines()
    assert files == [str(tmp_path / FLOAT32), str(tmp_path / INT8)]
    said = r"On sample texts the least cosine between their vectors of a text is (0\.9\d+|1\.000) "
    assert re.fullmatch(f"{said}between int8 and float32\\.", told)


def test_int8_that_does_not_agree_is_refused_and_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Agreement(0.5412, "the correlation of their scores")
    monkeypatch.setattr("harness.training.onnx_export.compared", lambda *_: bad)
    told = r"another one.* the correlation of their scores is 0\.541 .* at least 0\.9 is wanted"
    with pytest.raises(ModelError, match=told):
        export(MINILM, tmp_path)
    assert (tmp_path / FLOAT32).exists()
    assert not (tmp_path / INT8).exists()


@pytest.mark.parametrize("reference", ["cross-encoder/ms-marco-MiniLM-L6-v2", MINILM])
def test_agreement_is_that_of_what_the_graphs_answer(
    exported: Exported, tmp_path: Path, reference: str
) -> None:
    """A graph agrees with itself, and not with one of other random weights; int8 is in between."""
    from transformers import AutoTokenizer

    build = tiny.sentence_transformers if reference == MINILM else tiny.ms_marco
    place, other = Path(exported(reference)), tmp_path / "other"
    export(str(build(tmp_path / "model", seed=1)), other)
    tokenizer = AutoTokenizer.from_pretrained(place)
    same, int8, apart = (
        compared(place / FLOAT32, file, tokenizer).value
        for file in (place / FLOAT32, place / INT8, other / FLOAT32)
    )
    assert same == pytest.approx(1, abs=1e-6)
    assert apart < LEAST < int8 < same


@pytest.mark.parametrize(
    ("told", "found"),
    [
        # flags of an EPYC of the third generation, of a Xeon with AMX, and of a Graviton 3
        ("flags\t\t: fpu sse2 avx avx2 sha_ni vaes\n", ["avx2"]),
        (
            "flags : avx2 avx512f avx512_vnni amx_int8\n",
            ["avx2", "avx512f", "avx512_vnni", "amx_int8"],
        ),
        ("Features\t: fp asimd asimddp i8mm bf16 sve\n", ["asimddp", "i8mm", "bf16", "sve"]),
        ("", []),
    ],
)
def test_instructions_of_a_processor(tmp_path: Path, told: str, found: list[str]) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{told}processor\t: 1\n{told}")
    assert devices.instructions(tmp_path / "cpuinfo") == found
    assert devices.instructions(tmp_path / "none") == []


def test_missing_package_is_told_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = dict.fromkeys(("torch", "no_such_package"), "writing ONNX")
    monkeypatch.setattr("harness.training.onnx_export.NEEDED", needed)
    with pytest.raises(PackageError, match=r"no_such_package \(for writing ONNX\)\. Install with"):
        export(MINILM, tmp_path)


def test_model_that_one_file_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.training.onnx_export.MOST_BYTES", 1000)
    with pytest.raises(ModelError, match=r"minilm' has 0\.0 GB of weights, more than one file"):
        export(MINILM, tmp_path)


def test_key_follows_graph_and_tokenizer_and_nothing_else(folder: Path) -> None:
    def key() -> str:
        references._in_folder.cache_clear()
        return component_key(Fastembed(str(folder)))

    keys = [key()]
    (folder / "README.md").write_text("words")
    keys.append(key())
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 9}))
    keys.append(key())
    shutil.copyfile(folder / INT8, folder / FLOAT32)
    keys.append(key())
    (folder / f"{FLOAT32}_data").write_bytes(b"weights outside the graph")
    keys.append(key())
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_number_formats_of_one_folder_have_different_keys(exported: Exported) -> None:
    place = exported(MINILM)
    assert component_key(Fastembed(place)) != component_key(Fastembed(place, file=INT8))


@pytest.mark.parametrize("name", [FLOAT32, "tokenizer.json", "tokenizer_config.json"])
def test_what_is_missing_is_named_with_the_way_out(folder: Path, name: str) -> None:
    (folder / name).unlink()
    references._in_folder.cache_clear()
    with pytest.raises(ModelError, match=rf"lacks {name}.*python -m harness onnx"):
        Fastembed(str(folder)).identity()


def test_folder_that_is_not_there_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone does not exist\. `python -m harness onnx MODEL"):
        Fastembed(str(tmp_path / "gone")).identity()


def test_hub_model_is_found_with_its_file_or_said_to_be_absent(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "hub" / "models--an--encoder" / "snapshots" / "abc"
    shutil.copytree(exported(MINILM), snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    references._in_hub_cache.cache_clear()
    assert Fastembed("an/encoder").identity() == {"model": f"an/encoder {FLOAT32} abc"}
    absent = Fastembed("an/encoder", file="onnx/other.onnx", pooling="mean")
    assert absent.identity() == {"model": "an/encoder onnx/other.onnx (not on this machine)"}
    references._in_hub_cache.cache_clear()


def test_only_the_file_and_what_is_read_with_it_are_downloaded() -> None:
    names = ["model.safetensors", "pytorch_model.bin"]
    assert downloads._patterns(names, FLOAT32)["allow_patterns"][0] == "onnx/model.onnx*"
    assert "*.bin" in downloads._patterns(names, None)["ignore_patterns"]


def test_random_weights_are_refused() -> None:
    with pytest.raises(ModelError, match="'dummy:x/y' has random weights"):
        Fastembed("dummy:x/y").identity()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"max_length": 0}, "max_length must be at least 1"),
        ({"file": "/onnx/model.onnx"}, "is no .onnx file in the folder"),
        ({"file": "../model.onnx"}, "is no .onnx file in the folder"),
        ({"file": "model.safetensors"}, "is no .onnx file in the folder"),
    ],
)
def test_setting_that_cannot_be(settings: Mapping[str, Any], said: str) -> None:
    for kind in (Fastembed, Reranker):
        with pytest.raises(ValueError, match=said):
            kind("x/y", **settings)


@pytest.mark.parametrize(
    "settings", [{"device": "cuda"}, {"providers": ("NoSuchExecutionProvider",)}]
)
def test_provider_that_is_not_there_is_named_with_those_that_are(
    exported: Exported, settings: Mapping[str, Any]
) -> None:
    with pytest.raises(ModelError, match=r"does not have; it has .*CPUExecutionProvider"):
        Fastembed(exported(MINILM), **settings).load()


def test_graph_that_is_none(folder: Path) -> None:
    (folder / FLOAT32).write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"mine' \(onnx/model.onnx\) cannot be loaded as ONNX"):
        Fastembed(str(folder)).load()


def test_weights_outside_the_graph_are_read(folder: Path) -> None:
    import onnx

    before = Fastembed(str(folder)).encode(["the cat is blue"], "doc")
    graph = onnx.load(folder / FLOAT32)
    onnx.save(graph, folder / "onnx/big.onnx", save_as_external_data=True, location="big.onnx_data")
    outside = Fastembed(str(folder), file="onnx/big.onnx").encode(["the cat is blue"], "doc")
    assert (folder / "onnx/big.onnx_data").stat().st_size > 1000
    np.testing.assert_allclose(outside, before, atol=1e-6)


def test_threads_are_those_of_the_component_else_of_the_measurement(exported: Exported) -> None:
    def threads(model: OnnxModel) -> int:

        session = model.loaded().inner.model  # type: ignore[arg-type]
        return int(session.get_session_options().intra_op_num_threads)

    place = exported(MINILM)
    assert threads(Fastembed(place, threads=3)) == 3
    assert threads(Fastembed(place)) == limits.usable_cores()
    with hardware_threads.pinned(1):
        assert threads(Fastembed(place)) == 1
        with hardware_threads.pinned(5):
            assert threads(Fastembed(place)) == 5
    assert hardware_threads.threads_now() == limits.usable_cores()


def test_threads_rest_between_calls(exported: Exported) -> None:

    session = Fastembed(exported(MINILM)).loaded().inner.model  # type: ignore[arg-type]
    options = session.get_session_options()
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"


def test_batches_that_would_change_scores_are_not_tried(exported: Exported) -> None:
    place = exported(MINILM)
    assert set(Fastembed(place).policies()) > {"batches of 1", "batches of 8", "one batch"} - {""}
    assert set(Fastembed(place, file=INT8).policies()) == {"batches of 1"}
    assert set(Fastembed(place, file=INT8, batch_size=4).policies()) == {"batches of 4"}
