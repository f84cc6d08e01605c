from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from fakes import write_beir

from harness.components.datasets.irds import Irds
from harness.errors import DataError

ROOT = Path(__file__).parents[3]

LOAD = """
import sys
from harness.components.datasets.irds import Irds
from harness.errors import DataError
from harness.errors import DataError
try:
    found = Irds(sys.argv[1]).load()
except DataError as error:
    print("DataError:", error)
else:
    print(found.name, len(found.docs), found.docs[0], len(found.queries), found.qrels["q2"])
"""


def load(home: Path, dataset_id: str, offline: str = "0") -> str:
    """What a process of its own says, with no network: the proxy is a closed port."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", LOAD, dataset_id],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            **nowhere,
            "HOME": str(home),
            "IR_DATASETS_HOME": str(home / "irds"),
            "HF_HUB_OFFLINE": offline,
        },
    )
    return done.stdout or done.stderr[-1500:]


def place(home: Path, content: bytes | None = None) -> None:
    """BEIR files as the archive that beir/scifact is made from."""
    archive = home / "irds" / "beir" / "scifact" / "source.zip"
    archive.parent.mkdir(parents=True)
    if content is not None:
        archive.write_bytes(content)
        return
    folder = write_beir(home / "scifact")
    corpus = (folder / "corpus.jsonl").read_text()
    (folder / "corpus.jsonl").write_text(corpus.replace('"text"', '"title": "A", "text"'))
    with zipfile.ZipFile(archive, "w") as packed:
        for file in folder.rglob("*.*"):
            packed.write(file, file.relative_to(home))


def test_copy_that_was_put_in_place_is_read(tmp_path: Path) -> None:
    place(tmp_path)
    expected = "beir/scifact/test 5 Doc(doc_id='d1', text='A red apple') 4 {'d3': 2, 'd4': 1}\n"
    assert load(tmp_path, "beir/scifact/test") == expected


def test_damaged_copy_is_a_data_error(tmp_path: Path) -> None:
    place(tmp_path, b"not an archive")
    said = load(tmp_path, "beir/scifact/test")
    assert said.startswith("DataError: The copy of 'beir/scifact/test' under")
    assert "cannot be read: BadZipFile" in said


@pytest.mark.parametrize("offline", ["0", "1"])
@pytest.mark.parametrize("dataset_id", ["vaswani", "beir/scifact/test"])
def test_absent_data_is_told_within_seconds(tmp_path: Path, dataset_id: str, offline: str) -> None:
    start = time.perf_counter()
    said = load(tmp_path, dataset_id, offline)
    assert time.perf_counter() - start < 20
    why = "cannot be downloaded" if offline == "0" else "the network is off"
    assert f"The dataset {dataset_id!r} is not on this machine and {why}" in said
    assert str(tmp_path / "irds" / dataset_id.split("/", maxsplit=1)[0]) in said
    assert "harness fetch FILE" in said


@pytest.mark.parametrize(
    ("dataset_id", "message"),
    [
        ("beir/scifakt", "ir_datasets has no dataset 'beir/scifakt'; its ids are listed by"),
        ("beir/scifact", "'beir/scifact' has no qrels; name one of its parts"),
    ],
)
def test_id_that_is_no_dataset(tmp_path: Path, dataset_id: str, message: str) -> None:
    assert f"DataError: {message}" in load(tmp_path, dataset_id)


def test_identity_pins_the_version() -> None:
    assert set(Irds("vaswani").identity()) == {"irds", "ir_datasets"}
    assert Irds("vaswani").label() == "vaswani"


def test_parts_of_a_dataset_have_the_same_documents() -> None:
    both = [Irds(f"msmarco-passage/trec-dl-{year}/judged").documents_key() for year in (2019, 2020)]
    assert both == ["msmarco-passage"] * 2
    assert Irds("beir/scifact/test").documents_key() != Irds("beir/fiqa/test").documents_key()


@pytest.mark.parametrize(
    ("id_", "train"),
    [
        ("beir/scifact/test", "beir/scifact/train"),
        ("beir/fiqa/dev", "beir/fiqa/train"),
        ("msmarco-passage/trec-dl-2019/judged", "msmarco-passage/train"),
    ],
)
def test_training_queries(id_: str, train: str) -> None:
    assert Irds(id_).training() == Irds(train)


@pytest.mark.parametrize("id_", ["beir/arguana", "vaswani", "beir/scifact/train"])
def test_no_training_queries(id_: str) -> None:
    with pytest.raises(DataError, match="ir_datasets has no training queries for"):
        Irds(id_).training()
