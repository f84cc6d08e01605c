"""The package that Vespa is given: what its files say, and what is in a tensor's bits."""

from __future__ import annotations

import io
import re
import struct
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.components.databases.vespa_application import (
    BYTES_PER_VECTOR,
    Application,
    FieldPrecision,
    cells,
)


@pytest.fixture
def cross_encoder(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def schema(application: Application) -> str:
    return application.files()[f"schemas/{application.name}.sd"].decode()


def test_the_files_of_a_package_are_in_the_folder_and_in_the_zip(tmp_path: Path) -> None:
    application = Application(dim=128, rerank=100)
    application.write(tmp_path / "package")
    written = {
        str(file.relative_to(tmp_path / "package")): file.read_bytes()
        for file in (tmp_path / "package").rglob("*")
        if file.is_file()
    }
    with zipfile.ZipFile(io.BytesIO(application.zipped())) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == written
    assert set(written) == {
        "services.xml",
        "validation-overrides.xml",
        "search/query-profiles/default.xml",
        f"schemas/{application.name}.sd",
    }


def test_services_name_the_schema_and_a_cluster_of_ours() -> None:
    """What pyvespa writes for one node, which needs no hosts.xml."""
    application = Application(dim=128, rerank=100)
    services = ET.fromstring(application.files()["services.xml"])
    assert [child.tag for child in services] == ["container", "content"]
    assert services.find("container/document-api") is not None
    assert services.find("container/search") is not None
    assert services.find("container/component") is None
    content = services.find("content")
    assert content is not None
    assert content.get("id") == "harness"
    document = content.find("documents/document")
    assert document is not None
    assert document.attrib == {"type": application.name, "mode": "index"}


@pytest.mark.parametrize(
    ("precision", "field"),
    [
        ("float32", "tensor<float>(token{}, x[128])"),
        ("bfloat16", "tensor<bfloat16>(token{}, x[128])"),
        ("binary", "tensor<int8>(token{}, x[16])"),
    ],
)
def test_phases_in_the_schema(precision: FieldPrecision, field: str) -> None:
    text = schema(Application(dim=128, rerank=150, precision=precision))
    assert f"field colbert type {field} {{" in text
    assert "query(qt) tensor<float>(qt{}, x[128])" in text
    assert re.search(r"first-phase \{\s+expression: bm25\(text\)", text)
    assert re.search(r"second-phase \{\s+rerank-count: 150\s+expression: max_sim", text)
    assert "global-phase" not in text
    assert "embedding" not in text
    assert text.count("{") == text.count("}")


def test_nearest_neighbours_as_first_phase() -> None:
    text = schema(Application(dim=16, rerank=10, dense_dim=384))
    assert "field embedding type tensor<float>(x[384]) {" in text
    assert "query(q) tensor<float>(x[384])" in text
    assert re.search(r"first-phase \{\s+expression: closeness\(field, embedding\)", text)
    assert text.count("{") == text.count("}")


def test_a_cross_encoder_is_the_global_phase(cross_encoder: Path) -> None:
    application = Application(dim=16, rerank=10, cross_encoder=cross_encoder)
    text, files = schema(application), application.files()
    assert files["models/model.onnx"] == b"onnx"
    assert files["models/tokenizer.json"] == b"{}"
    assert re.search(
        r"global-phase \{\s+rerank-count: 20\s+expression: onnx\(cross_encoder\)\{d0:0,d1:0\}", text
    )
    assert "query(tokens) tensor<float>(d0[60])" in text
    assert text.count("{") == text.count("}")
    (component,) = ET.fromstring(files["services.xml"]).findall("container/component")
    assert (component.get("id"), component.get("type")) == ("tokenizer", "hugging-face-tokenizer")
    assert component.findtext("special-tokens") == "false"


def test_whatever_decides_the_ranking_is_in_the_name(cross_encoder: Path) -> None:
    plain: dict[str, Any] = {"dim": 16, "rerank": 10}
    changes: list[dict[str, Any]] = [
        {},
        {"dim": 32},
        {"rerank": 11},
        {"precision": "float32"},
        {"dense_dim": 8},
        {"cross_encoder": cross_encoder},
        {"cross_encoder": cross_encoder, "cross_encode": 9},
    ]
    names = [Application(**(plain | change)).name for change in changes]
    (cross_encoder / "model.onnx").write_bytes(b"another")
    names.append(Application(**plain, cross_encoder=cross_encoder).name)
    assert len(set(names)) == len(names)
    assert names[0] == Application(**plain).name
    assert all(re.fullmatch(r"harness_[0-9a-f]{12}", name) for name in names)


def test_vespa_gives_no_more_than_400_hits_unless_it_is_told_to() -> None:
    profiles = [
        Application(dim=8, rerank=n).files()["search/query-profiles/default.xml"].decode()
        for n in (100, 1000)
    ]
    assert [re.findall(r'"maxHits">(\d+)<', profile) for profile in profiles] == [["400"], ["1000"]]


def test_bits_need_whole_bytes() -> None:
    with pytest.raises(ValueError, match="a dim that 8 divides, not 12"):
        Application(dim=12, rerank=1, precision="binary")


def test_cells_as_in_vespas_documentation() -> None:
    """Of its reference of the document JSON format: `foo` of the tensor<float>(tag{},x[3])."""
    row = np.array([[1 / 9, 2 / 9, 3 / 9]], np.float32)
    assert cells(row, "float32") == {"0": "3de38e393e638e393eaaaaab"}


def test_bits_begin_with_the_first_dimension() -> None:
    """As unpack_bits of Vespa reads them, unless it is told to begin at the little end."""
    row = np.array([[1, -1, -1, -1, -1, -1, -1, -1, 0.5, 0.5, 0, 0, 0, 0, 0, 1]], np.float32)
    assert cells(row, "binary") == {"0": "80c1"}


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-2, max_value=2))
def test_bfloat16_is_the_nearest(value: float) -> None:
    (bits,) = cells(np.array([[value]], np.float32), "bfloat16").values()

    def read(upper: int) -> float:
        found: float = struct.unpack(">f", struct.pack(">I", (upper & 0xFFFF) << 16))[0]
        return found

    code = int(bits, 16)
    near = [read(code + step) for step in (-1, 1) if (code + step) & 0x7F80 != 0x7F80]
    error = abs(read(code) - value)
    assert all(error <= abs(other - value) for other in near)
    if any(error == abs(other - value) for other in near) and error:
        assert code % 2 == 0


@pytest.mark.parametrize(
    ("precision", "size"), [("float32", 512), ("bfloat16", 256), ("binary", 16)]
)
def test_bytes_are_those_of_the_cells(precision: FieldPrecision, size: int) -> None:
    row = np.linspace(-1, 1, 128, dtype=np.float32)[None]
    assert BYTES_PER_VECTOR[precision](128) == size
    assert len(bytes.fromhex(cells(row, precision)["0"])) == size
