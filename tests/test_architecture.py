"""What holds for the source as a whole: arrows go down only, and little is imported."""

from __future__ import annotations

import ast
import re
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "harness"
FILES = sorted(HOUSE.rglob("*.py"))
ROOMS = (
    *("cli", "execution", "report", "judging", "measure", "training", "service", "analysis"),
    *("pipeline", "results", "experiment", "components", "files", "page"),
)
"""From the top floor down: a room imports only rooms below it, and what stands beside them all."""

GROUND = ("harness.ranking", "harness.data", "harness.errors")
"""What stands beside the rooms, below all of them, and imports no room."""

INSIDE = {
    "analysis": (
        ("audit", "claims", "gate"),
        ("decision",),
        ("quality",),
        ("judgments",),
        ("costs",),
        ("statistics",),
    ),
    "components": (
        ("datasets", "encoders", "rerankers", "retrievers"),
        ("servers",),
        ("databases", "models", "vectors"),
        ("hardware",),
    ),
    "measure": (("load", "storage"), ("latency",)),
}
"""By room its folders, from the top floor down; its own files are below them."""

ENTRIES = 20
"""At most so many files and folders are seen by who opens the house."""


def module(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(file): ast.parse(file.read_text(encoding="utf-8")) for file in FILES}


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below but those under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from running(child)


def imports(name: str) -> set[str]:
    """What a module imports, at its top or in a function; modules of ours by their full names."""
    found: set[str] = set()
    for node in running(MODULES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = str(node.module)
            inner = {f"{source}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {source}
    return found


def reachable(start: str) -> set[str]:
    seen: set[str] = set()
    ahead = imports(start) & MODULES.keys()
    while ahead:
        seen |= ahead
        ahead = {name for step in ahead for name in imports(step)} & MODULES.keys() - seen
    return seen


def part(name: str, depth: int) -> str:
    """The folder of a module at a depth: 1 is its room, 2 a folder inside; empty where it has none."""
    folders = name.split(".") if has_files(name) else name.split(".")[:-1]
    return folders[depth] if len(folders) > depth else ""


def has_files(name: str) -> bool:
    return any(other.startswith(f"{name}.") for other in MODULES)


def floor(name: str, floors: Sequence[Sequence[str]], depth: int) -> int:
    """The place of a module's floor; what is in no folder lies below all of them."""
    folder = part(name, depth)
    return next((i for i, folders in enumerate(floors) if folder in folders), len(floors))


def upward(name: str, floors: Sequence[Sequence[str]], depth: int) -> set[str]:
    """What a module imports of another folder on its own floor, or on one above."""
    own = floor(name, floors, depth)
    return {
        other
        for other in imports(name) & MODULES.keys()
        if part(other, depth) != part(name, depth)
        if (above := floor(other, floors, depth)) < len(floors) and above <= own
    }


def test_imports_are_seen() -> None:
    runner = imports("harness.pipeline.stage_runner")
    assert {"harness.results.trials", "harness.pipeline.stages", "pandas"} <= runner
    store = imports("harness.results.store")
    assert "harness.experiment.plan" not in store  # for type checkers only
    assert "ranx" in imports("harness.results.metrics")
    assert "harness.data" in reachable("harness.cli.commands")


def test_every_module_has_a_room() -> None:
    beside = {name for name in MODULES if not part(name, 1)}
    assert beside == {"harness", "harness.__main__", *GROUND}
    assert {part(name, 1) for name in MODULES} - {""} == set(ROOMS)


@pytest.mark.parametrize("room", INSIDE)
def test_every_folder_of_a_room_has_a_floor(room: str) -> None:
    inside = {part(name, 2) for name in MODULES if part(name, 1) == room}
    assert inside - {""} == {folder for folders in INSIDE[room] for folder in folders}


def test_the_house_can_be_seen_at_a_glance() -> None:
    files = (file.relative_to(HOUSE).parts for file in HOUSE.rglob("*") if file.is_file())
    seen = {parts[0] for parts in files if "__pycache__" not in parts}  # what git does not hold
    assert len(seen) <= ENTRIES


@pytest.mark.parametrize("name", MODULES)
def test_no_circle(name: str) -> None:
    assert name not in reachable(name)


@pytest.mark.parametrize("name", MODULES)
def test_arrows_go_down_only(name: str) -> None:
    if name == "harness.__main__":
        return
    assert not upward(name, [(room,) for room in ROOMS], 1)


@pytest.mark.parametrize("name", [name for name in MODULES if part(name, 1) in INSIDE])
def test_arrows_go_down_only_inside_a_room(name: str) -> None:
    room = part(name, 1)
    above = upward(name, INSIDE[room], 2)
    assert not {other for other in above if part(other, 1) == room}


def test_the_picture_shows_the_rooms_as_they_stand() -> None:
    picture = (HOUSE / "README.md").read_text(encoding="utf-8")
    drawn = re.search(r"```\n(.*?)```", picture, re.DOTALL)
    assert drawn
    assert re.findall(r"^(\w+)/ ", drawn[1], re.MULTILINE) == list(ROOMS)
    named = re.findall(r"`([\w/]+(?:\.\w+|/))`", picture)
    assert [path for path in named if not (HOUSE / path).exists()] == []


@pytest.mark.parametrize(
    ("package", "users"),
    [("ranx", {"harness.results.metrics"}), ("matplotlib", {"harness.page.drawing"})],
)
def test_only_one_place_imports(package: str, users: set[str]) -> None:
    assert users == {
        name for name in MODULES if any(i.split(".")[0] == package for i in imports(name))
    }


def test_only_the_command_line_and_a_process_of_its_own_print() -> None:
    printing = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stdout.write")
    }
    assert printing == {"harness.cli.streams", "harness.measure.latency.cold_start"}


@pytest.mark.parametrize("file", FILES, ids=module)
def test_files_and_functions_are_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 320
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        node.name
        for node in ast.walk(MODULES[module(file)])
        if isinstance(node, functions) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert not long


def seconds(*arguments: str) -> float:
    """Processor time, which other work on the machine does not add to; the best of several goes."""
    found = []
    for _ in range(5):
        start = spent()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=ROOT)
        found.append(spent() - start)
    return min(found)


def spent() -> float:
    """Seconds that processes begun here have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    ("arguments", "aim"),
    [(("-c", "import harness"), 0.05), (("-m", "harness", "--help"), 0.2)],
    ids=["import", "help"],
)
def test_start_is_quick(arguments: tuple[str, ...], aim: float) -> None:
    assert seconds(*arguments) - seconds("-c", "pass") < 3 * aim  # 3: for a slow machine


MAIN = "from harness.cli.commands import main; import contextlib\nwith contextlib.suppress(SystemExit): "


@pytest.mark.parametrize("code", ["import harness", f"{MAIN}main(['--help'])"])
def test_start_imports_no_numpy(code: str) -> None:
    code += "\nimport sys; sys.exit(int(bool({'numpy', 'pydantic', 'yaml'} & set(sys.modules))))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert (done.stderr, done.returncode) == ("", 0)
