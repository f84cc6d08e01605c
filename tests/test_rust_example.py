"""The client in Rust compiles and ranks, where cargo and its crates are on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import contract_server
import pytest
from contract_server import score, texts

EXAMPLE = Path(__file__).parents[1] / "examples" / "rust"
ABSENT = ("no matching package", "failed to download", "unable to update", "can't checkout")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with the crates of RUST_CRATES where that is set."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not on this machine")
    copy = tmp_path_factory.mktemp("rust") / "example"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("target"))
    if crates := os.environ.get("RUST_CRATES"):
        (copy / ".cargo").mkdir()
        source = f'[source.crates-io]\nreplace-with = "here"\n[source.here]\ndirectory = "{crates}"'
        (copy / ".cargo" / "config.toml").write_text(source)
    cargo(copy, "check")
    return copy


def cargo(folder: Path, *command: str) -> None:
    done = subprocess.run(
        ["cargo", *command, "--offline", "--quiet"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if any(sign in done.stderr for sign in ABSENT):
        pytest.skip("the crates of examples/rust are not on this machine")
    assert (done.returncode, done.stderr) == (0, "")


def test_it_compiles_and_ranks(folder: Path) -> None:
    cargo(folder, "build")
    documents = [text.strip() for text in texts(9)]
    client = [folder / "target" / "debug" / "rerank-client"]
    with contract_server.running() as server:
        server.reset("plain")
        asked = [*client, server.url, "red apple", "3"]
        done = subprocess.run(
            asked, input="\n".join(documents), capture_output=True, text=True, check=True
        )
        best = sorted(documents, key=lambda text: -score("red apple", text))[:3]
        expected = [f"{score('red apple', text):.6f}\t{text}" for text in best]
        assert done.stdout.splitlines() == expected

        def twice(_: object, answer: contract_server.Answer) -> contract_server.Answer:
            answer.items[0]["index"] = answer.items[1]["index"]  # type: ignore[index]
            return answer

        server.fault = twice
        failed = subprocess.run(asked, input="a\nb\nc", capture_output=True, text=True, check=False)
        assert failed.returncode == 1
        assert "gave index" in failed.stderr
