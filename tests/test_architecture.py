"""What holds for the source as a whole: arrows go down only, and little is imported."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "harness").rglob("*.py"))
FLOORS = (
    ("harness.cli.commands", "harness.cli.options"),
    ("harness.cli.gate", "harness.cli.claims"),
    ("harness.analysis.quality.one_query_text", "harness.analysis.gate.text"),
    ("harness.cli.listings",),
    ("harness.cli.run_summary", "harness.analysis.claims.lines", "harness.execution.fetch"),
    ("harness.service",),
    (
        "harness.execution.execute",
        "harness.report",
        "harness.analysis.quality.changed_queries",
        "harness.analysis.claims.page",
        "harness.analysis.costs.figures",
        "harness.analysis.costs.tables",
        "harness.analysis.costs.sentences",
        "harness.analysis.costs.page",
        "harness.analysis.decision.page",
        "harness.analysis.quality.figures",
        "harness.analysis.decision.frontier_figure",
        "harness.analysis.gate.markdown",
        "harness.analysis.gate.junit",
        "harness.analysis.costs.load_page",
        "harness.analysis.costs.load_figure",
        "harness.analysis.quality.same_model_page",
        "harness.analysis.quality.page",
        "harness.analysis.decision.record",
        "harness.analysis.quality.reranking_page",
        "harness.page.axes",
        "harness.page.blocks",
        "harness.page.drawing",
        "harness.page.scales",
        "harness.page.tables",
    ),
    ("harness.execution.costs", "harness.training"),
    ("harness.measure.load",),
    ("harness.measure.latency.study",),
    ("harness.measure.latency",),
    ("harness.pipeline.stage_runner",),
    (
        "harness.analysis",
        "harness.report.answer",
        "harness.analysis.gate.baseline",
        "harness.analysis.quality.alarms",
        "harness.analysis.gate.asked_for",
        "harness.analysis.costs.capacity",
        "harness.analysis.gate.changed_settings",
        "harness.analysis.claims.latency",
        "harness.analysis.claims.quality",
        "harness.analysis.claims.storage",
        "harness.analysis.claims.judge",
        "harness.analysis.quality.leaderboard",
        "harness.analysis.costs.projection",
        "harness.analysis.costs.measured",
        "harness.analysis.decision.recommend",
        "harness.analysis.decision.headline",
        "harness.analysis.costs.dimensions",
        "harness.analysis.gate.comparable",
        "harness.analysis.claims.evidence",
        "harness.analysis.decision.flips",
        "harness.analysis.decision.frontier",
        "harness.analysis.decision.gains",
        "harness.analysis.gate.judge",
        "harness.analysis.costs.vector_bytes",
        "harness.analysis.costs.latency",
        "harness.analysis.costs.load",
        "harness.analysis.decision.need",
        "harness.analysis.decision.needs",
        "harness.analysis.decision.options",
        "harness.analysis.decision.pace",
        "harness.analysis.quality.same_model",
        "harness.analysis.statistics.percentiles",
        "harness.analysis.statistics.paired_ratios",
        "harness.analysis.decision.reasons",
        "harness.analysis.decision.remarks",
        "harness.analysis.decision.requirements",
        "harness.analysis.quality.reranking",
        "harness.analysis.decision.choose",
        "harness.analysis.decision.sensitivity",
        "harness.analysis.quality.servers",
        "harness.analysis.decision.settling",
        "harness.analysis.statistics.intervals",
        "harness.analysis.statistics.tail",
        "harness.analysis.gate.change_tests",
        "harness.analysis.quality.one_query",
        "harness.analysis.gate.relative_latency",
        "harness.results.terms",
    ),
    ("harness.pipeline.stages", "harness.results.store"),
    ("harness.experiment.plan",),
    ("harness.experiment.keys",),
    ("harness.experiment.reading",),
    (
        "harness.experiment.rules",
        "harness.experiment.claims_reading",
        "harness.experiment.dummy_weights",
        "harness.experiment.paths",
    ),
    (
        "harness.experiment.schema",
        "harness.experiment.claims",
        "harness.experiment.expressions",
        "harness.experiment.vary",
    ),
    (
        "harness.experiment.dataset_option",
        "harness.components.support_matrix",
        "harness.training.onnx_export",
    ),
    ("harness.components.registry",),
)
"""From the top down; a module imports nothing of a floor above its own."""


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


def floor(name: str) -> int:
    """The place of a module's floor; what is on none lies below all of them."""
    inside = [i for i, names in enumerate(FLOORS) for n in names if f"{name}.".startswith(f"{n}.")]
    return inside[0] if inside else len(FLOORS)


def test_imports_are_seen() -> None:
    assert {"harness.results.trials", "harness.pipeline.stages", "pandas"} <= imports(
        "harness.pipeline.stage_runner"
    )
    assert "harness.experiment.plan" not in imports(
        "harness.results.store"
    )  # for type checkers only
    assert "ranx" in imports("harness.results.metrics")
    assert "harness.data" in reachable("harness.cli.commands")


@pytest.mark.parametrize("name", MODULES)
def test_no_circle(name: str) -> None:
    assert name not in reachable(name)


@pytest.mark.parametrize("name", MODULES)
def test_arrows_go_down_only(name: str) -> None:
    if name == "harness.__main__":
        return
    above = {other for other in imports(name) & MODULES.keys() if floor(other) < floor(name)}
    assert not above


@pytest.mark.parametrize(
    ("package", "users"), [("ranx", {"harness.results.metrics"}), ("matplotlib", set())]
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
    assert printing == {"harness.cli.streams", "harness.measure.latency.cold"}


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
