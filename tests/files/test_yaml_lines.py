from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import harness
from harness.errors import ConfigError
from harness.files import disk
from harness.files.yaml_lines import YamlDocument, yaml_document


def read(tmp_path: Path, text: str | bytes) -> YamlDocument:
    file = tmp_path / "x.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return yaml_document(file)


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
        ("\ufeffa: 1", {"a": 1}),
        # numbers with an exponent, which YAML 1.1 reads as text without a point and a sign
        ("a: [1e-2, 1e6, 5E4, 1.5e6, 1.5E+1, 2e0]", {"a": (0.01, 1000000, 50000, 1500000, 15, 2)}),
        ("a: [1e23, 1.0, .5, 5., -3, +3, .inf]", {"a": (1e23, 1.0, 0.5, 5.0, -3, 3, float("inf"))}),
        # what YAML 1.1 reads as 600, 90, 685230, 34, 8, 0, 31, 10, 1000.5
        ("a: [10:00, 1:30, 190:20:30]", {"a": ("10:00", "1:30", "190:20:30")}),
        ("a: [0042, 010, 00, 0o10, 0x1F]", {"a": ("0042", "010", "00", "0o10", "0x1F")}),
        ("a: [1_0, 0_100, 1_000.5]", {"a": ("1_0", "0_100", "1_000.5")}),
        ("a: [1_000, 110_000_000]", {"a": (1000, 110000000)}),
        # ... as False and True
        ("a: [no, off, N, yes, on, Y]", {"a": ("no", "off", "N", "yes", "on", "Y")}),
        ("on: no", {"on": "no"}),
        ("a: [=, 2026-01-01 10:00:00, 1.2.3]", {"a": ("=", "2026-01-01 10:00:00", "1.2.3")}),
        ("a: !!str 1", {"a": "1"}),
    ],
)
def test_values(tmp_path: Path, text: str, value: Any) -> None:
    assert read(tmp_path, text).value == value


def test_whole_numbers_with_an_exponent_are_whole(tmp_path: Path) -> None:
    found = read(tmp_path, "a: [1e6, 1.0, 9e15, 1e16]").value["a"]
    assert [type(value) for value in found] == [int, float, int, float]  # 2**53 is 9.007e15


MERGED = """\
base: &base {name: x, depth: {retrieve: 3}}
more: &more
  <<: *base
  name: y
  k: 1
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {<<: *base}", {"name": "x", "depth": {"retrieve": 3}}),
        ("a: {name: z, <<: *base}", {"name": "z", "depth": {"retrieve": 3}}),
        ("a: {<<: *base, depth: 1}", {"name": "x", "depth": 1}),
        ("a: {<<: *more}", {"name": "y", "k": 1, "depth": {"retrieve": 3}}),
        ("a: {<<: [*more, *base]}", {"name": "y", "k": 1, "depth": {"retrieve": 3}}),
        ("a: {<<: [*base, *more]}", {"name": "x", "k": 1, "depth": {"retrieve": 3}}),
        ("a: {<<: {k: 2}, j: 3}", {"k": 2, "j": 3}),
        ("a: {<<: []}", {}),
        ("a: {'<<': 1}", {"<<": 1}),
    ],
)
def test_merge_keys(tmp_path: Path, text: str, value: Any) -> None:
    document = read(tmp_path, MERGED + text)
    assert document.value["a"] == value
    assert document.faults == []


def test_a_value_that_is_merged_has_the_line_where_it_stands(tmp_path: Path) -> None:
    document = read(tmp_path, "- &base\n  a: 1\n  b: 2\n- <<: *base\n  b: 3\n")
    document.fault("[1].a", "is wrong")
    document.fault("[1].b", "is wrong")
    assert document.faults == [(2, "[1].a: is wrong"), (5, "[1].b: is wrong")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: {<<: 3}", (1, "a.<<: expected a mapping or a list of them, such as `<<: *base`")),
        ("a: {<<: }", (1, "a.<<: expected a mapping or a list of them, such as `<<: *base`")),
        ("a: &x {<<: *x}", (1, "a.<<: an alias that contains itself")),
        ("a: &x\n  b: {<<: *x}", (2, "a.b.<<: an alias that contains itself")),
        ("a: &x {}\nb:\n  <<: *x\n  <<: *x", (4, "b.<<: repeated (first on line 3)")),
        ("a: &x {k: 1}\nb:\n  <<: *x\n  k: 1\n  k: 2", (5, "b.k: repeated (first on line 4)")),
        ("? [a]\n: 1", (1, "a key must be text")),
        ("a: 1e400", (1, "a: '1e400' cannot be read: it is beyond every float")),
        ("a: !!int 0042", (1, "a: '0042' cannot be read: it is no int")),
        ("a: !!binary aGk=", (1, "a: the tag 'tag:yaml.org,2002:binary' is not read")),
    ],
)
def test_faults(tmp_path: Path, text: str, fault: tuple[int, str]) -> None:
    ((line, message),) = read(tmp_path, text).faults
    assert line == fault[0]
    assert message.startswith(fault[1])


MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 10)
)


def test_merges_of_merges_do_not_grow_without_end(tmp_path: Path) -> None:
    assert read(tmp_path, MERGE_BOMB).value["a9"] == {"x": 1}


ROOT = Path(harness.__file__).parent


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.yaml")), ids=lambda file: file.name)
def test_the_package_s_own_files_say_the_same_to_every_reader(file: Path) -> None:
    assert plain(yaml_document(file).value) == disk.read_yaml(file)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def test_lines_of_paths(tmp_path: Path) -> None:
    lines = read(tmp_path, "a:\n  b: 1\n  c:\n  - x\n  - y: 2\n").lines
    assert lines == {"": 1, "a": 1, "a.b": 2, "a.c": 3, "a.c[0]": 4, "a.c[1]": 5, "a.c[1].y": 5}


def test_fault_of_a_path_that_is_not_there_stands_at_its_parent(tmp_path: Path) -> None:
    document = read(tmp_path, "a:\n  b:\n    - c: 1\n")
    document.fault("a.b[0].other[3].deep", "is wrong")
    assert document.faults == [(3, "a.b[0].other[3].deep: is wrong")]


def test_every_fault_is_raised_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    document = read(tmp_path, "a: 1\nb: 2\nb: 3\n")
    document.fault("b", "late")
    document.fault("a", "early")
    document.fault("a", "early")
    with pytest.raises(ConfigError) as caught:
        document.raise_faults()
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
        (BOMB, "with its aliases written out the file has over 20,000 values"),
        ("a: [1, 2", "is not valid YAML: line 1"),
        ("a: 1\n\tb: 2\n", "is not valid YAML: line 2: found character '\\\\t'"),
        ("a: 1\n---\nb: 2\n", "is not valid YAML: line 2: but found another document"),
        ("a: *missing\n", "is not valid YAML: line 1: found undefined alias"),
        ("[" * 5000, ":1: values nested over 50 levels deep"),
        (
            "- " * 200_000 + "a",
            ":1: values nested over 50 levels deep",
        ),  # libyaml's composer would crash
        (b"\xff\xfe\x00\x01", "is not UTF-8 text: its byte order mark says UTF-16"),
        (b"\x89PNG\r\n\x1a\n", ":1 is not UTF-8 text"),
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
        yaml_document(tmp_path / name)


@pytest.mark.parametrize("value", ["!!int x", "!!python/object:os.system 1", "!thing 1"])
def test_tag_that_does_not_fit_is_a_fault(tmp_path: Path, value: str) -> None:
    ((line, message),) = read(tmp_path, f"a: 1\nb: {value}\n").faults
    assert line == 2
    assert message.startswith("b: ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="ab:-[]{}&*!'\"\n #|>?1.<") | st.binary())
def test_any_file_is_read_or_refused(tmp_path: Path, text: str | bytes) -> None:
    with contextlib.suppress(ConfigError):
        assert read(tmp_path, text).lines.get("", 1) >= 1
