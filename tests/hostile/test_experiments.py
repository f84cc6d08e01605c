"""Hostile experiment files: each is refused in one paragraph with file, line and way out, or runs."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import write_beir
from hypothesis import example, given
from mutations import HOSTILE_YAML, Raw, as_yaml, mutated, share, survives

from harness.cli.commands import main

HERE = "experiment.yaml"

PARTS = {
    "question": "q",
    "datasets": "[{use: files, path: data}]",
    "systems": "[{name: a, retriever: {use: bm25}}]",
    "metrics": "[ndcg@3]",
}

HEX = f"0x{'F' * 500}"
LONG = "x" * 5_000


def text(more: str = "", before: str = "", **parts: str) -> str:
    lines = [f"{key}: {value}" for key, value in {**PARTS, **parts}.items()]
    return "\n".join([*([before] * bool(before)), *lines, more]) + "\n"


def system(retriever: str, more: str = "") -> str:
    return f"[{{name: a, retriever: {{{retriever}}}{more}}}]"


BOMB = "".join(
    f", &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdef", "bcdefg", strict=True)
)
BILLION = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"

REFUSED: dict[str, tuple[str, str]] = {
    # tags, and numbers that are none
    "a binary tag": (text(question="!!binary aGFsbG8="), ":1: question: the tag"),
    "an empty int": (text('seed: !!int ""'), ":5: seed: '' cannot be read: it is no int"),
    "an empty float": (text('seed: !!float ""'), ":5: seed: '' cannot be read: it is no float"),
    "a bool that is none": (text("seed: !!bool x"), ":5: seed: 'x' cannot be read: it is no bool"),
    "a tag of Python": (text("seed: !!python/name:os.system"), ":5: seed: the tag"),
    "a tagged mapping": (text("parity: !!python/object:os.x {a: 1}"), ":5: parity: the tag"),
    "a long tag": (text("seed: !<" + LONG + "> 1"), ":5: a tag of more than 200 characters"),
    "octal": (text("seed: 010"), ":5: seed: input should be a valid integer, not '010'"),
    "sexagesimal": (text("seed: 1:30"), ":5: seed: input should be a valid integer"),
    "a huge hex number": (text(f"seed: {HEX}"), ":5: seed: input should be a valid integer"),
    "a huge number": (text(f"seed: {'9' * 5_000}"), ":5: seed: '9999"),
    "a huge hex depth": (text(f"depth: {{retrieve: {HEX}}}"), ":5: depth.retrieve: input should"),
    "a huge depth": (text("depth: {retrieve: 99999999999999999}"), "less than or equal to 100000"),
    "a huge workload": (
        text(
            f"decision: {{workload: {{documents: {'9' * 17}, queries_per_day: 1, candidates: 1}}}}"
        ),
        ":5: decision.workload.documents: input should be less than or equal to",
    ),
    "a huge subset": (
        text(datasets=f"[{{use: files, path: data, subset: {{documents: {'9' * 18}}}}}]"),
        ":2: datasets[0].subset.documents: input should be less",
    ),
    "a seed below 0": (text("seed: -1"), ":5: seed: input should be greater than or equal to 0"),
    "threads without end": (text("latency: {threads: 1000000000}"), ":5: latency.threads: "),
    # not finite
    "a budget of inf": (text("latency: {budget_s: .inf}"), ":5: latency.budget_s: input should be"),
    "a budget of nan": (text("latency: {budget_s: .nan}"), ":5: latency.budget_s: input should be"),
    "a gain of nan": (text("decision: {smallest_gain_that_matters: .nan}"), "finite number"),
    "a margin of nan": (
        text("gate: [{metric: ndcg@3, margin: .nan}]"),
        ":5: gate[0].margin: input",
    ),
    "prices of inf": (
        text("decision: {prices: {ram_gb_month: .inf, disk_gb_month: .nan, cpu_core_hour: 1}}"),
        ":5: decision.prices.ram_gb_month: input should be a finite number",
    ),
    "a setting of nan": (
        text(systems=system("use: bm25, k1: .nan")),
        ":3: systems[0].retriever.k1",
    ),
    "a setting of inf": (text(systems=system("use: bm25, b: .inf")), ":3: systems[0].retriever.b"),
    "a negative k1": (text(systems=system("use: bm25, k1: -1")), "k1 must be from 0 to 1,000"),
    "a huge hex setting": (text(systems=system(f"use: bm25, k1: {HEX}")), "valid number"),
    # characters
    "a character that there is not": (
        text(question=r'"\U00110000"'),
        " is not valid YAML: line 1: ",
    ),
    "half a character": (text(question=r'"\uD800"'), ":1: question: the text holds U+D800"),
    "half a character in a name": (
        text(systems=r'[{name: "\uD800", retriever: {use: bm25}}]'),
        ":3: systems[0].name: the text holds U+D800",
    ),
    "NUL in a key": (text(r'"\0": 1'), ":5: a key holds U+0000"),
    "an escape in a name": (text(systems=r'[{name: "\e[2J", retriever: {use: bm25}}]'), "U+001B"),
    "lines in a name": (
        text(systems=r'[{name: "a\nb\tc", retriever: {use: bm25}}]'),
        ":3: systems[0].name: the name is more than one line of text",
    ),
    "a list for a question": (text(question="[q]"), ":1: question: input should be a valid string"),
    # aliases, nesting, size
    "aliases in a key": (text(before=f"? [&a [x, x, x, x]{BOMB}]\n: 1"), ":1: a key must be text"),
    "aliases in a value": (
        text(f"parity: [&a [x, x, x, x]{BOMB}]"),
        "with its aliases written out",
    ),
    "an alias of itself": (
        text("parity: &a {m: *a}"),
        ":5: parity.m: an alias that contains itself",
    ),
    "a long key, many values": (text(f"? {LONG}\n: {BILLION}"), ":5: a key has 5,000 characters"),
    "a text beyond all use": (text(question="x" * 10_001), ":1: a text of more than 10,000"),
    "nested deeply": (text(f"parity: {'[' * 300}{']' * 300}"), ":5: values nested over 50 levels"),
    "nested very deeply": (text(f"parity: {'{a: ' * 9_000}"), ":5: values nested over 50 levels"),
    "many entries": (text(f"parity: [{'x, ' * 3_000}]"), ":5: more than 1,000 entries"),
    "a file without end": ("#" * 500_001, "more than 500,000 characters"),
    "two documents": (text(f"---\n{text()}"), " is not valid YAML: line 5"),
    # vary
    "10^10 systems": (
        text(
            systems=system(
                "use: bm25", f", vary: {{{', '.join(f'k.{i}: {BILLION}' for i in range(10))}}}"
            )
        ),
        ":3: systems[0].vary: it makes 10,000,000,000 systems",
    ),
    "a key of 3,000 dots": (
        text(systems=system("use: bm25", f", vary: {{? {'a.' * 3_000}a\n : [1]}}")),
        ":3: systems[0].vary: a key has 6,001 characters",
    ),
    "varied by a huge number": (
        text(systems=system("use: bm25", f", vary: {{retriever.k1: [{HEX}]}}")),
        ":3: systems[0].retriever.k1: input should be a valid number",
    ),
    "too many systems": (
        text(
            systems=f"[{', '.join(f'{{name: a{i}, retriever: {{use: bm25}}}}' for i in range(600))}]"
        ),
        ":3: systems: it makes 600 systems",
    ),
    # metrics
    "a huge cut-off": (text(metrics="[ndcg@30000000]"), ":4: metrics[0]: 'ndcg@30000000': at most"),
    "a cut-off of 5,000 digits": (
        text(metrics=f"[ndcg@{'9' * 5_000}]"),
        ":4: metrics[0]: 'ndcg@999",
    ),
    "a huge cut-off and depth": (
        text("depth: {retrieve: 3000000000}", metrics="[ndcg@3000000000]"),
        ":5: depth.retrieve: input should be less than or equal to 100000",
    ),
    "a huge level": (text(metrics="[recall(rel=99999999)@3]"), "at most 1,000,000 can be said"),
    # paths
    "NUL in a path": (
        text(datasets=r'[{use: files, path: "a\0b"}]'),
        ":2: datasets[0].path: the text",
    ),
    "half a character in a path": (text(datasets=r'[{use: files, path: "\uD800"}]'), "U+D800"),
    "a long path": (text(datasets=f"[{{use: files, path: {LONG}}}]"), ":2: datasets[0].path: 'xxx"),
    "a home of nobody": (
        text(datasets="[{use: files, path: ~nosuchuser/x}]"),
        "cannot be looked up",
    ),
    "slashes for a file": (
        text(datasets='[{use: files, path: data, corpus: "//"}]'),
        "The file of the corpus does not exist",
    ),
    "a long name of a file": (
        text(datasets=f"[{{use: files, path: data, corpus: {LONG}}}]"),
        "the dataset 'data' cannot be read: OSError",
    ),
    "claims with NUL": (text(r'claims: "a\0b"'), ":5: claims: the text holds U+0000"),
    "claims at a long path": (text(f"claims: {LONG}"), ":5: claims: "),
    "claims with half a character": (
        text(r'claims: "\uD800"'),
        ":5: claims: the text holds U+D800",
    ),
    "a hub id in wide digits": (
        text(
            systems=system(
                'use: dense, encoder: {use: sentence_transformers, model: "\\uff12\\uff10-05-31"}'
            )
        ),
        "is neither a folder, a `package:` nor a hub id",
    ),
    # code that is loaded on purpose
    "a module that raises": (
        text(systems=system('use: "raises:C"')),
        "cannot be imported: NameError",
    ),
    "a module that exits": (
        text(systems=system('use: "exits:C"')),
        "cannot be imported: SystemExit: 7",
    ),
    "a module of many dots": (
        text(systems=system(f'use: "{"a." * 3_000}a:C"')),
        "cannot be imported",
    ),
    "a component of many dots": (
        text(systems=system(f'use: "harness.{"x." * 2_000}x"')),
        "is no retr",
    ),
    "a module of NUL": (
        text(systems=system(r'use: "a\0b:C"')),
        ":3: systems[0].retriever.use: the te",
    ),
    "no class": (text(systems=system('use: "exits"')), "there is no retriever 'exits'"),
    "no component": (text(systems=system('use: "fakes:CALLS"')), "is not a dataclass"),
    "a class that raises": (
        text(systems=system('use: "broken:Raises"')),
        "cannot be made: KeyError",
    ),
    "a class with hints of nothing": (
        text(systems=system('use: "broken:Hints"')),
        "cannot be made",
    ),
    "a class with hints of anything": (text(systems=system('use: "broken:Odd, x: 1"')), ""),
}
"""What is refused, and part of what is said."""

RUNS = {
    "as it should be": text(),
    "a byte order mark": f"\ufeff{text()}",
    "a merge key": text(
        systems="[{name: a, retriever: &r {use: bm25}}, {name: b, retriever: {<<: *r, k1: 0.9}}]"
    ),
    "a dataset of dots": text(datasets='[{use: files, path: data, name: ".."}]'),
    "a dataset called figures": text(datasets="[{use: files, path: data, name: figures}]"),
    "a dataset called as a file of ours": text(
        datasets="[{use: files, path: data, name: plan.json}]"
    ),
    "a system of wide characters": text(
        systems=f'[{{name: "{chr(0x1D400) * 120}", retriever: {{use: bm25}}}}]'
    ),
    "names that differ in signs": text(
        datasets="[{use: files, path: data, name: a b}, {use: files, path: data, name: a-b}]",
        systems="[{name: a/b, retriever: {use: bm25}}, {name: 'a:b', retriever: {use: bm25}}]",
    ),
    "names that differ in case": text(
        systems="[{name: a, retriever: {use: bm25}}, {name: A, retriever: {use: bm25}}]"
    ),
}
"""What is odd and harmless."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with a dataset, and modules that break when they are loaded."""
    folder = tmp_path_factory.mktemp("hostile")
    write_beir(folder / "data")
    (folder / "raises.py").write_text("x = undefined\n")
    (folder / "exits.py").write_text("import sys; sys.exit(7)\n")
    (folder / "broken.py").write_text(BROKEN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.chdir(folder)
        yield folder


BROKEN = """
from __future__ import annotations
from dataclasses import dataclass

class Any:
    def index(self, docs): return self

@dataclass(frozen=True)
class Raises(Any):
    def __post_init__(self): raise KeyError("no")

@dataclass(frozen=True)
class Hints(Any):
    x: Nothing = 1

@dataclass(frozen=True)
class Odd(Any):
    x: Any = None
"""


def planned(content: str) -> tuple[object, str]:
    """The exit code of `plan`, and what it says to standard error."""
    Path(HERE).write_bytes(content.encode("utf-8", "surrogatepass"))
    return run("plan")


def run(*command: str) -> tuple[object, str]:
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        code = main([command[0], HERE, *command[1:]])
    return code, complained.getvalue()


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("folder")
def test_it_is_refused_in_one_paragraph(name: str) -> None:
    content, fragment = REFUSED[name]
    start = time.process_time()
    code, said = planned(content)
    assert time.process_time() - start < 2
    assert code == 2
    assert said.startswith(f"harness: {HERE}") or "The file of" in said
    assert fragment in said
    assert "Traceback" not in said
    assert len(said) < 20_000


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.usefixtures("folder")
def test_what_is_harmless_is_planned(name: str) -> None:
    assert planned(RUNS[name]) == (0, "")


def test_as_much_as_is_allowed_is_planned_in_seconds(folder: Path) -> None:
    data = ", ".join(f"{{use: files, path: data, name: d{i}}}" for i in range(4))
    systems = ", ".join(f"{{name: a{i}, retriever: {{use: bm25, k1: {i}}}}}" for i in range(500))
    rules = ", ".join(f"{{metric: ndcg@3, margin: 0.1, systems: [a{i}]}}" for i in range(300))
    content = text(f"gate: [{rules}]", datasets=f"[{data}]", systems=f"[{systems}]")
    start = time.process_time()
    assert folder.is_dir()
    assert planned(content) == (0, "")
    assert time.process_time() - start < 5


BASES: list[Any] = [
    {
        "question": "q",
        "datasets": [{"use": "files", "path": "data", "name": "d", "subset": {"documents": 3}}],
        "systems": [
            {"name": "a", "retriever": {"use": "bm25", "k1": 0.9, "b": 0.4, "language": "english"}},
            {
                "name": "b",
                "retriever": {"use": "fakes:WordOverlap", "salt": 1},
                "reranker": {"use": "fakes:Constant", "value": 0.5},
                "depth": {"retrieve": 5, "rerank": 3},
                "vary": {"retriever.salt": [1, 2], "depth.rerank": [2, 3]},
            },
        ],
        "baseline": "a",
        "depth": {"retrieve": 10, "rerank": 5},
        "metrics": ["ndcg@3", "recall(rel=2)@3", "map@5"],
        "seed": 1,
        "gate": [
            {"metric": "ndcg@3", "margin": 0.1, "systems": ["a"], "datasets": ["d"]},
            {"latency": 1.1, "to": "a", "k": 10},
        ],
        "latency": {
            "devices": ["cpu"],
            "candidates": [2, 10],
            "queries": 3,
            "rounds": 5,
            "budget_s": 1.0,
        },
        "parity": {"m": ["a", "b[salt=1,rerank=2]"]},
    },
    {
        "question": "q",
        "datasets": [{"use": "files", "path": "data", "split": "test", "format": "beir"}],
        "systems": [
            {
                "name": "c",
                "retriever": {
                    "use": "fused",
                    "retrievers": [
                        {"use": "bm25"},
                        {"use": "dense", "encoder": {"use": "fakes:HashingEncoder", "dim": 8}},
                        {"use": "saved_run", "path": "run.trec"},
                    ],
                },
                "reranker": {
                    "use": "late_interaction",
                    "encoder": {"use": "fakes:HashingTokenEncoder", "dim": 8},
                },
            }
        ],
        "metrics": ["ndcg@10"],
        "load": {"concurrency": [1, 2], "rates": [0.5, 1.0], "seconds": 1.0, "requests": 5},
        "storage": {"dims": [8], "precisions": ["float32"], "pool_factors": [1], "documents": 5},
        "decision": {
            "objective": "ndcg@10",
            "smallest_gain_that_matters": 0.01,
            "requirements": {"p95_ms": {"cpu": 10.0}, "memory_gb": 1.0, "licence": "commercial"},
            "workload": {"documents": 100, "queries_per_day": 10, "candidates": 10},
            "prices": {"ram_gb_month": 1.0, "disk_gb_month": 0.1, "cpu_core_hour": 0.1},
            "review_by": "2027-01-01",
        },
    },
]


@given(mutated(BASES, HOSTILE_YAML))
@example(BASES[0])
@example(BASES[1])
@share(0.4)
@pytest.mark.usefixtures("folder")
def test_mutated_experiments_are_planned_or_refused(node: Any) -> None:
    Path("run.trec").write_text("q1 Q0 d1 1 1.0 x\n")
    code = survives("experiments", lambda: planned(as_yaml(node))[0])
    assert code in (0, 2, 3)


def test_the_mutations_are_written_as_they_are() -> None:
    assert as_yaml({"a": [1, Raw("*x")], "b c": "\n"}) == '{a: [1, *x], "b c": "\\n"}'
