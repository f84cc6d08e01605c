from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.located import Located, read_yaml


def read(tmp_path: Path, text: str | bytes) -> Located:
    file = tmp_path / "x.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing\n", None),
        ("a: 1", {"a": 1}),
        ("a: [1, 2.5, x, null, true]", {"a": (1, 2.5, "x", None, True)}),
        ('a: "128"', {"a": "128"}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("1: a", {"1": "a"}),
    ],
)
def test_values(tmp_path: Path, text: str, value: Any) -> None:
    assert read(tmp_path, text).value == value


def test_lines_of_paths(tmp_path: Path) -> None:
    lines = read(tmp_path, "a:\n  b: 1\n  c:\n  - x\n  - y: 2\n").lines
    assert lines == {"": 1, "a": 1, "a.b": 2, "a.c": 3, "a.c[0]": 4, "a.c[1]": 5, "a.c[1].y": 5}


def test_fault_of_a_path_that_is_not_there_stands_at_its_parent(tmp_path: Path) -> None:
    located = read(tmp_path, "a:\n  b:\n    - c: 1\n")
    located.fault("a.b[0].other[3].deep", "is wrong")
    assert located.faults == [(3, "a.b[0].other[3].deep: is wrong")]


def test_every_fault_is_raised_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    located = read(tmp_path, "a: 1\nb: 2\nb: 3\n")
    located.fault("b", "late")
    located.fault("a", "early")
    located.fault("a", "early")
    with pytest.raises(ConfigError) as caught:
        located.raise_faults()
    file = tmp_path / "x.yaml"
    assert str(caught.value).splitlines() == [
        f"{file} has 3 faults:",
        f"  {file}:1: a: early",
        f"  {file}:2: b: late",
        f"  {file}:3: b: repeated (first on line 2)",
    ]


def test_alias_that_contains_itself(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &x\n  b: *x\n").faults == [(2, "a.b: an alias that contains itself")]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "unfolds to over 100,000 values"),
        ("a: [1, 2", "is not valid YAML: line 1"),
        ("a: 1\n\tb: 2\n", "is not valid YAML: line 2: found character '\\\\t'"),
        ("a: 1\n---\nb: 2\n", "is not valid YAML: line 2: but found another document"),
        ("a: *missing\n", "is not valid YAML: line 1: found undefined alias"),
        ("[" * 5000, "is not valid YAML"),
        ("- " * 200_000 + "a", "is not valid YAML"),  # libyaml's composer would crash
        (b"\xff\xfe\x00\x01", "it is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n", "it is not UTF-8 text"),
        (b"a: \x00", "is not valid YAML"),
    ],
    ids=range(10),
)
def test_unreadable(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize("levels", range(50, 500, 15))
def test_depth_is_read_or_refused(tmp_path: Path, levels: int) -> None:
    try:
        value = read(tmp_path, "[" * levels + "]" * levels).value
    except ConfigError:
        return
    assert str(value).count("(") == levels


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_file_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path / name)


@pytest.mark.parametrize("value", ["!!int x", "!!python/object:os.system 1", "!thing 1"])
def test_tag_that_does_not_fit_is_a_fault(tmp_path: Path, value: str) -> None:
    ((line, message),) = read(tmp_path, f"a: 1\nb: {value}\n").faults
    assert line == 2
    assert message.startswith("b: ")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="ab:-[]{}&*!'\"\n #|>?1.<") | st.binary())
def test_any_file_is_read_or_refused(tmp_path: Path, text: str | bytes) -> None:
    with contextlib.suppress(ConfigError):
        assert read(tmp_path, text).lines.get("", 1) >= 1
