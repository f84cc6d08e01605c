from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import textwrap
from collections.abc import Mapping
from typing import Any

import fakes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.components import registry, requirements
from harness.components.protocols import Identified
from harness.components.retrievers.bm25 import Bm25
from harness.components.retrievers.dense import Dense
from harness.components.retrievers.fused import Fused
from harness.errors import PackageError
from harness.files.wrong_values import did_you_mean

COMPONENTS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]

SMALLEST: Mapping[str, Mapping[str, Any]] = {
    "bge_m3": {"model": "x/y"},
    "cross_encoder": {"model": "x/y"},
    "encoders/candle": {"model": "BAAI/bge-m3"},
    "encoders/endpoint": {"dialect": "openai", "url": "http://localhost", "model": "m"},
    "encoders/token_endpoint": {"dialect": "pylate", "url": "http://localhost", "model": "m"},
    "rerankers/candle": {"model": "BAAI/bge-reranker-base"},
    "rerankers/endpoint": {"dialect": "plain", "url": "http://localhost"},
    "rerankers/maxsim_endpoint": {
        "dialect": "next_plaid",
        "url": "http://localhost",
        "encoder": {"use": "fakes:HashingTokenEncoder"},
    },
    "vespa": {"url": "http://localhost", "encoder": {"use": "fakes:HashingTokenEncoder"}},
    "retrievers/endpoint": {"dialect": "colbert", "url": "http://localhost"},
    "dense": {"encoder": {"use": "fakes:HashingEncoder"}},
    "files": {"path": "data"},
    "encoders/fastembed": {"model": "x/y"},
    "encoders/fastembed_tokens": {"model": "x/y"},
    "rerankers/fastembed": {"model": "x/y"},
    "fused": {"retrievers": ({"use": "bm25"},)},
    "hybrid": {"encoder": {"use": "bge_m3", "model": "x/y"}},
    "infinity_db": {"text": True},
    "irds": {"id": "vaswani"},
    "lancedb": {"encoder": {"use": "fakes:HashingTokenEncoder"}},
    "late_interaction": {"encoder": {"use": "fakes:HashingTokenEncoder"}},
    "maxsim": {"encoder": {"use": "fakes:HashingTokenEncoder"}},
    "multi_vector": {"model": "x/y"},
    "pgvector": {"encoder": {"use": "fakes:HashingEncoder"}, "server": "embedded"},
    "pgvector_maxsim": {"encoder": {"use": "fakes:HashingTokenEncoder"}, "server": "embedded"},
    "plaid": {"encoder": {"use": "fakes:HashingTokenEncoder"}},
    "pylate": {"model": "x/y"},
    "qdrant": {"encoder": {"use": "fakes:HashingTokenEncoder"}},
    "qdrant_server": {
        "encoder": {"use": "fakes:HashingTokenEncoder"},
        "url": "http://127.0.0.1:9",
    },
    "saved_run": {"path": "run.trec"},
    "sentence_transformers": {"model": "x/y"},
    "table": {"path": "shop", "corpus": "d.csv", "queries": "q.csv", "qrels": "j.csv"},
    "sparse": {"encoder": {"use": "bge_m3", "model": "x/y"}},
}
"""The fields that have no default; with the kind where components of two kinds share a name."""

OBVIOUS = {"b", "device", "dtype", "encoder", "k1", "model", "path", "retrievers"}
"""Fields that need no sentence: those of the formula or protocol that the class names."""


def built(kind: str, spec: Mapping[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
    found: list[tuple[str, str]] = []
    made = registry.build(registry.KINDS[kind], spec, "it", lambda *fault: found.append(fault))
    return made, found


def smallest(kind: str, name: str) -> Any:
    least = SMALLEST.get(f"{kind}/{name}", SMALLEST.get(name, {}))
    made, faults = built(kind, {"use": name, **least})
    assert not faults
    return made


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
class TestEveryComponent:
    def test_is_a_frozen_dataclass_that_does_its_protocol(self, kind: str, name: str) -> None:
        made = smallest(kind, name)
        assert dataclasses.is_dataclass(made)
        assert type(made).__dataclass_params__.frozen
        assert isinstance(made, registry.KINDS[kind])
        assert hash(made) == hash(smallest(kind, name))

    def test_goes_to_its_configuration_and_back(self, kind: str, name: str) -> None:
        made = smallest(kind, name)
        config = registry.config_of(made)
        again, faults = built(kind, _tuples(config))
        assert (again, faults) == (made, [])
        assert config["use"] == name
        assert set(config) == {"use", *(field.name for field in dataclasses.fields(made))}

    def test_fields_say_what_they_are(self, kind: str, name: str) -> None:
        cls = registry.component_class(kind, name)
        assert cls.__doc__
        assert not cls.__doc__.startswith(f"{cls.__name__}(")  # what dataclass makes up
        assert _undocumented(cls) <= OBVIOUS

    def test_needs_are_known_packages(self, kind: str, name: str) -> None:
        needs = getattr(registry.component_class(kind, name), "needs", ())
        assert isinstance(needs, tuple)
        assert set(needs) <= {
            *requirements.EXTRAS,
            *requirements.APART,
            "numpy",
            "pandas",
        }  # the two come always

    def test_a_path_has_an_identity(self, kind: str, name: str) -> None:
        made = smallest(kind, name)
        assert isinstance(made, Identified) or not hasattr(made, "path")


def _tuples(value: Any) -> Any:
    """Lists as tuples, as they come from a file."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def _undocumented(cls: type) -> set[str]:
    (body,) = (node.body for node in ast.parse(textwrap.dedent(inspect.getsource(cls))).body)
    names = {field.name for field in dataclasses.fields(cls)}
    return {
        statement.target.id
        for statement, after in itertools.pairwise(body)
        if isinstance(statement, ast.AnnAssign) and statement.target.id in names
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    }


def test_undocumented_is_seen() -> None:
    assert _undocumented(Bm25) == {"k1", "b"}


@given(st.floats(0, 1), st.integers(0, 99), st.lists(st.integers(), min_size=1, max_size=3))
def test_round_trip_of_nested_components(b: float, k: int, salts: list[int]) -> None:
    made = Fused((Bm25(b=b), *(fakes.WordOverlap(salt) for salt in salts)), k=k)
    assert built("retrievers", _tuples(registry.config_of(made))) == (made, [])


def test_config_of_a_component_elsewhere() -> None:
    config = registry.config_of(Dense(fakes.HashingEncoder(8)))
    assert config["encoder"] == {"use": "fakes:HashingEncoder", "dim": 8}


@pytest.mark.parametrize(
    ("kind", "spec", "where", "message"),
    [
        (
            "retrievers",
            {"use": "bm52"},
            "it.use",
            "there is no retriever 'bm52'; did you mean 'bm25'?",
        ),
        (
            "rerankers",
            {"use": "x"},
            "it.use",
            "there is no reranker 'x'; known: candle, cross_encoder, ",
        ),
        ("retrievers", {"use": "fakes:Identity"}, "it.use", "is not a Retriever: it lacks index()"),
        (
            "rerankers",
            {"use": "fakes:WordOverlap"},
            "it.use",
            "is not a Reranker: it lacks score()",
        ),
        (
            "datasets",
            {"use": "fakes:WordOverlap"},
            "it.use",
            "is not a DatasetSource: it lacks identity(), label(), load()",
        ),
        (
            "encoders",
            {"use": "fakes:WordOverlap"},
            "it.use",
            "or JointEncoder: it lacks encode()",
        ),
        (
            "retrievers",
            {"use": "fakes:write_beir"},
            "it.use",
            "'fakes:write_beir' is not a dataclass",
        ),
        (
            "retrievers",
            {"use": "nowhere:X"},
            "it.use",
            "cannot be imported: No module named 'nowhere'",
        ),
        ("retrievers", {"use": ":X"}, "it.use", "':X' cannot be imported"),
        ("retrievers", {"use": ".a:X"}, "it.use", "'.a:X' cannot be imported"),
        ("retrievers", {"use": 5}, "it", "expected a retriever, such as {use: bm25, ...}"),
        ("retrievers", None, "it", "expected a retriever, such as {use: bm25, ...}"),
        ("retrievers", {"use": "dense"}, "it", "the key 'encoder' is missing"),
        (
            "retrievers",
            {"use": "dense", "encoder": {"use": "fakes:HashingTokenEncoder"}},
            "it.encoder.use",
            "is not a DenseEncoder: it gives 'tokens', not 'dense'",
        ),
        (
            "retrievers",
            {"use": "fused", "retrievers": ({"use": "bm25"}, {"use": "bm25", "langage": 1})},
            "it.retrievers[1].langage",
            "unknown key; did you mean 'language'?",
        ),
        (
            "retrievers",
            {"use": "fused", "retrievers": "bm25"},
            "it.retrievers",
            "expected a list, not 'bm25'",
        ),
        ("retrievers", {"use": "bm25", "k1": True}, "it.k1", "should be a valid number, not True"),
        ("rerankers", {"use": "fakes:Constant", "value": "1"}, "it.value", "valid number, not '1'"),
    ],
)
def test_fault(kind: str, spec: Any, where: str, message: str) -> None:
    made, faults = built(kind, spec)
    assert made is None
    ((path, said),) = faults
    assert path == where
    assert message in said


def test_broken_module_elsewhere_is_a_fault(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "broken_module.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    _, faults = built("rerankers", {"use": "broken_module:X"})
    assert faults[0][1].startswith("'broken_module:X' cannot be imported: invalid syntax")


def test_several_faults_of_one_component_come_together() -> None:
    _, faults = built("retrievers", {"use": "bm25", "k1": "x", "b": "y", "c": 1})
    assert sorted(path for path, _ in faults) == ["it.b", "it.c", "it.k1"]


@pytest.mark.parametrize(
    ("packages", "line"),
    [
        (["bm25s", "ranx"], "'.[run]'"),
        (["torch", "bm25s"], "'.[run,torch]'"),
        (["torch", "other"], "'.[torch]' other"),
        (["other"], "other"),
    ],
)
def test_install_line(packages: list[str], line: str) -> None:
    expected = f"Install with: pip install -c constraints.txt {line}"
    assert requirements.install_line(packages) == expected


def test_missing_packages_are_named_together_with_who_needs_them() -> None:
    needy = dataclasses.make_dataclass(
        "Needy", [("inner", Any, None)], frozen=True, namespace={"needs": ("absent1",)}
    )
    other = dataclasses.make_dataclass("Other", [], frozen=True, namespace={"needs": ("absent2",)})
    with pytest.raises(PackageError) as caught:
        registry.require_packages([needy(other())])
    assert str(caught.value) == (
        "Not installed: absent1 (for types:Needy), absent2 (for types:Other). Install with: pip "
        "install -c constraints.txt absent1 absent2"
    )


def test_nothing_is_missing_where_nothing_is_needed() -> None:
    registry.require_packages([fakes.WordOverlap(), Fused((fakes.WordOverlap(),))])


def test_parts_and_replaced_reach_the_innermost() -> None:
    made = Fused((Dense(fakes.HashingEncoder(8)), fakes.WordOverlap()))
    classes = [type(part).__name__ for part in registry.parts(made)]
    assert classes == ["Fused", "Dense", "HashingEncoder", "WordOverlap"]

    def smaller(part: Any) -> Any:
        return fakes.HashingEncoder(4) if isinstance(part, fakes.HashingEncoder) else part

    changed = registry.replaced(made, smaller)
    assert changed == Fused((Dense(fakes.HashingEncoder(4)), fakes.WordOverlap()))
    assert made.retrievers[0] == Dense(fakes.HashingEncoder(8))


def test_did_you_mean_without_anything_known() -> None:
    assert did_you_mean("x", ()) == ""


TRAIN = {"base": "x/y", "negatives": {"retriever": {"use": "bm25"}}}


def test_settings_without_use_are_built_and_written_back() -> None:
    spec = {"use": "cross_encoder", "model": {"train": {**TRAIN, "layers": 2}}}
    made, faults = built("rerankers", spec)
    assert not faults
    assert made.model.train.negatives.retriever == Bm25()
    config = registry.config_of(made)
    assert config["model"]["train"]["layers"] == 2
    assert config["model"]["train"]["negatives"]["retriever"]["use"] == "bm25"
    assert "use" not in config["model"] | config["model"]["train"]
    assert built("rerankers", _tuples(config)) == (made, [])
    assert Bm25() in registry.parts(made)


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (3, ("it.model", "input should be a valid string, not 3")),
        ({"train": 3}, ("it.model.train", "expected keys base, negatives, queries,")),
        ({"trian": TRAIN}, ("it.model.trian", "unknown key; did you mean 'train'?")),
        ({"train": {**TRAIN, "bse": 1}}, ("it.model.train.bse", "did you mean 'base'?")),
        ({"train": {"base": "x/y"}}, ("it.model.train", "the key 'negatives' is missing")),
        ({"train": {**TRAIN, "epochs": 0}}, ("it.model.train", "epochs must be at least 1")),
        (
            {"train": {**TRAIN, "negatives": {"retriever": {"use": "bm52"}}}},
            ("it.model.train.negatives.retriever.use", "did you mean 'bm25'?"),
        ),
        ({"train": {**TRAIN, "dims": (8,)}}, ("it.model.train.dims", "unknown key")),
    ],
)
def test_faults_of_settings(model: Any, fault: tuple[str, str]) -> None:
    _, faults = built("rerankers", {"use": "cross_encoder", "model": model})
    assert any(path == fault[0] and fault[1] in message for path, message in faults)


def test_code_of_a_trained_model_is_refused() -> None:
    spec = {"use": "cross_encoder", "model": {"train": TRAIN}, "trust_remote_code": True}
    _, faults = built("rerankers", spec)
    assert "brings no code of its own" in faults[0][1]
