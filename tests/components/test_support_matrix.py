"""The list of systems is what the code has, and README shows it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from harness.cli import commands
from harness.components import registry, support_matrix
from harness.components.support_matrix import DeployableSystem

ROOT = Path(__file__).parents[2]


def ids(system: DeployableSystem) -> str:
    return system.name


def ways(kind: str) -> set[str]:
    """The components of a kind, those on servers by their dialects."""
    found: set[str] = set()
    for use in registry.names(kind):
        dialects = getattr(registry.component_class(kind, use), "dialects", {})
        found |= {f"{use} {dialect}" for dialect in dialects} or {use}
    return found


@pytest.mark.parametrize("kind", [kind for kind in registry.KINDS if kind != "datasets"])
def test_every_component_and_dialect_belongs_to_a_system(kind: str) -> None:
    assert ways(kind) == {
        how for system in support_matrix.known() for how in system.runs.get(kind, ())
    }


@pytest.mark.parametrize("system", support_matrix.known(), ids=ids)
def test_what_runs_a_system_is_there(system: DeployableSystem) -> None:
    for kind, hows in system.runs.items():
        for how in hows:
            use, _, dialect = how.partition(" ")
            found = registry.component_class(kind, use)
            assert dialect in getattr(found, "dialects", {"": None})


@pytest.mark.parametrize("system", support_matrix.known(), ids=ids)
def test_its_tests_are_there(system: DeployableSystem) -> None:
    assert bool(system.tests) == (system.against != "not tested")
    for test in system.tests:
        file, _, function = test.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in names if function else any(n.startswith("test_") for n in names)


@pytest.mark.parametrize("system", support_matrix.known(), ids=ids)
def test_a_server_that_is_asked_for_real_is_started_by_its_tests(system: DeployableSystem) -> None:
    files = [Path(test.partition("::")[0]) for test in system.tests]
    apart = any(file.is_relative_to("tests/servers") for file in files)
    here = any("service" in f.parts or "embedded" in (ROOT / f).read_text() for f in files)
    assert apart or here or system.against != "real server"
    assert not apart or system.against != "contract server"


def test_names_are_distinct() -> None:
    names = [system.name for system in support_matrix.known()]
    assert len(names) == len(set(names)) > 20


def test_the_documentation_shows_them() -> None:
    page = (ROOT / "docs/reference/systems.md").read_text()
    assert page.count(support_matrix.markdown()) == 1, support_matrix.markdown()


def test_a_terminal_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["list", "systems"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "systems:"
    assert all(len(line) <= 80 for line in lines)
    assert "    reranker: {use: endpoint, dialect: tei, ...}" in lines
