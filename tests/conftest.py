"""Shared by all tests: tiny models in a hub cache of their own, and a network that is not there."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import tiny

pytest_plugins = ["reported"]

# Two threads over a tiny model mostly wait for each other: ten times slower on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

MODELS: Mapping[str, Callable[[Path], Path]] = {
    "BAAI/bge-m3": tiny.bge_m3,
    "BAAI/bge-reranker-base": tiny.bge_reranker,
    "cross-encoder/ms-marco-MiniLM-L6-v2": tiny.ms_marco,
    "cross-encoder/two-labels": lambda folder: tiny.ms_marco(folder, labels=2),
    "colbert-ir/colbertv2.0": tiny.colbert,
    "lightonai/colbert": tiny.pylate,
    "sentence-transformers/minilm": tiny.sentence_transformers,
    "sentence-transformers/prompted": lambda folder: tiny.sentence_transformers(
        folder, prompts=tiny.PROMPTS
    ),
    "google-bert/bert": tiny.bare_bert,
}

LONG = (
    "training/test_make.py",
    "measure/latency/test_study.py",
    "measure/latency/test_cold_start.py",
    "execution/test_ray_nodes.py",
    "test_resume.py",
)
"""Files that take longest: they begin first, so that no process waits for one of them at the end."""

# How long an example takes says something of the machine, and nothing of what is tested.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the files of LONG come first; all else stays in its order."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))


def pytest_collection_finish() -> None:
    """Sets aside what waits to be run, over a million objects: no garbage collection looks at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_time_for_the_machine() -> Iterator[None]:
    """A timed round waits for no garbage collection, of all that a thousand tests left, and no probe.

    `measure/test_machine.py` looks at both as they are.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.measure.machine.quiet", contextlib.nullcontext)
        patch.setattr("harness.measure.machine.spin", lambda: 0.01)
        yield


@pytest.fixture(scope="session")
def hub_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What HF_HOME would be: every model of MODELS in the hub's cache."""
    from harness.components.models import inference

    inference.prepare_libraries()
    home = tmp_path_factory.mktemp("hf")
    for repo_id, build in MODELS.items():
        folder = build(home / "made" / repo_id)
        revision = hashlib.sha1(repo_id.encode()).hexdigest()
        tiny.hub_cache(home, repo_id, folder, revision)
    return home


@pytest.fixture(scope="session")
def hub(hub_home: Path) -> Iterator[Path]:
    """The hub cache of this process for the rest of the session, with the network off."""
    from harness.components.models import references

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub_home / "hub"))
        references._in_hub_cache.cache_clear()
        yield hub_home / "hub"
    references._in_hub_cache.cache_clear()


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No model of the hub is here, whatever another test has put there and this machine holds."""
    from harness.components.models import references

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty-hub"))
    references._in_hub_cache.cache_clear()
    yield
    references._in_hub_cache.cache_clear()


@pytest.fixture(scope="session")
def exported(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The folder with a model written as ONNX, in float32 and int8; written once."""
    from harness.training.onnx_export import export

    assert hub.is_dir()
    folder, done = tmp_path_factory.mktemp("onnx"), set()

    def of(reference: str) -> str:
        place = folder / reference.replace("/", "--").replace(":", "--")
        if place not in done:
            export(reference, place)
            done.add(place)
        return str(place)

    return of


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails the test that looks a host up, even where the error is swallowed."""
    asked: list[Any] = []

    def refuse(host: Any, *_args: Any, **_kwargs: Any) -> None:
        asked.append(host)
        raise OSError(f"{host} was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert asked == []
