"""What README, CONTRIBUTING and the documentation show works as it stands there."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from reference_page import FILE, reference

from harness.cli.commands import COMMANDS
from harness.data import Doc
from harness.experiment.reading import load_experiment

ROOT = Path(__file__).parents[1]

PAGES = sorted(
    [*ROOT.glob("*.md"), ROOT / "harness/README.md", *(ROOT / "docs").rglob("*.md")],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in FENCE.findall(page.read_text()) if name == language]


def anchors(page: Path) -> set[str]:
    """Those of the headings, as GitHub and the site make them, and those that are written out."""
    text = FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def shown(language: str) -> list[Any]:
    """Each block of a language in README and documentation, with the page it stands on."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return [
        pytest.param(text, id=f"{page.relative_to(ROOT)}-{place}")
        for page in pages
        for place, text in enumerate(blocks(page, language))
    ]


@pytest.mark.usefixtures("empty_hub")
@pytest.mark.parametrize("text", shown("yaml"))
def test_experiments_that_are_shown_load(text: str, tmp_path: Path) -> None:
    """A whole file loads; of a part each key is one that the reference has."""
    if text.startswith("question:"):
        (tmp_path / "mine.yaml").write_text(text)
        assert load_experiment(tmp_path / "mine.yaml").systems
        return
    for key in yaml.safe_load(re.sub(r"\*\w+", "{}", text)):  # what it refers to stands elsewhere
        assert f"`{key}`" in FILE.read_text()


def test_the_readme_ends_before_one_tires() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


COMMAND = re.compile(r"python -m harness ([^`#|>\n]+)")


@pytest.mark.parametrize(
    "line",
    sorted({line.strip() for page in PAGES for line in COMMAND.findall(page.read_text())}),
)
def test_commands_that_are_shown_exist(line: str) -> None:
    """Each is one that the command line knows, with options that it knows."""
    found = re.sub(r"[.,;:]+$", "", line)
    name, *rest = shlex.split(found.partition(" (")[0])
    parser = argparse.ArgumentParser()
    COMMANDS[name].add_arguments(parser)
    options = [word for word in rest if word.startswith("--")]
    assert all(f" {option}" in parser.format_help() for option in options)


def test_the_reference_is_that_of_the_code() -> None:
    assert FILE.read_text() == reference(), "run: python tests/reference_page.py"


def test_reranker_of_contributing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks(ROOT / "CONTRIBUTING.md", "python")
    (tmp_path / "my_module.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "mine.yaml"
    file.write_text(
        "question: Does it work?\n"
        "datasets: [{use: pydoc}]\n"
        "systems:\n"
        "  - {name: mine, retriever: {use: bm25}, reranker: {use: 'my_module:Overlap'}}\n"
    )
    (system,) = load_experiment(file).systems
    docs = [Doc("a", "red apple"), Doc("b", "Apple"), Doc("c", "")]
    assert system.reranker.score("Red apple", docs) == [1.0, 0.5, 0.0]


def test_claim_of_contributing() -> None:
    ours = yaml.safe_load((ROOT / "experiments/claims.yaml").read_text())["claims"]
    (text,) = blocks(ROOT / "CONTRIBUTING.md", "yaml")
    (claim,) = yaml.safe_load(text)
    assert claim in ours


EXPERIMENTS = sorted({*(ROOT / "experiments").glob("*.yaml")} - {ROOT / "experiments/claims.yaml"})


@pytest.mark.usefixtures("empty_hub")
@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda f: f.stem)
def test_experiments_of_the_project_load(file: Path) -> None:
    assert load_experiment(file).question.endswith("?")
