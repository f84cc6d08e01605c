"""The Dockerfile and the compose file name what is there; no container is built here."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from harness.cli import commands
from harness.experiment.reading import load_experiment
from harness.service.host import chosen
from harness.service.limits import Patience

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "service"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
(SERVICE,) = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"].values()


def instruction(name: str) -> list[str]:
    (found,) = re.findall(rf"^{name} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def check_command(words: Sequence[str]) -> None:
    assert list(words[:3]) == ["python", "-m", "harness"]
    arguments = commands._parser().parse_args(words[3:])
    assert arguments.host == "0.0.0.0"
    assert chosen(load_experiment(ROOT / arguments.file), arguments.system).reranker


def test_commands_are_those_of_the_harness() -> None:
    check_command([*instruction("ENTRYPOINT"), *instruction("CMD")])
    check_command([*instruction("ENTRYPOINT"), *SERVICE["command"]])


def test_what_is_copied_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert len(copied) == 4
    assert all((ROOT / name).exists() for names in copied for name in names.split())


def test_the_package_is_installed_from_its_wheel() -> None:
    _, build, run = DOCKERFILE.split("\nFROM ")
    assert "pip wheel --no-cache-dir --no-deps --wheel-dir /wheels ." in build
    assert "COPY harness" not in run
    assert '"$(echo /wheels/*.whl)[quickstart,serve]"' in run


def test_compose_builds_the_dockerfile_and_waits_for_what_is_inside() -> None:
    context = FOLDER / SERVICE["build"]["context"]
    assert (context / SERVICE["build"]["dockerfile"]).samefile(FOLDER / "Dockerfile")
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > Patience().drain
    assert list(SERVICE["environment"]) == [SERVICE["command"][-1]]
    (port,) = SERVICE["ports"]
    assert port.startswith("127.0.0.1:")
