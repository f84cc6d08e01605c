"""Files of claims: read strictly, every fault at once; and the one that comes with the project."""

from __future__ import annotations

import contextlib
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.claims.evidence import Stored
from harness.analysis.claims.judge import judge
from harness.errors import ConfigError
from harness.experiment.claims import Arithmetic, Catalogued, Expected, Range
from harness.experiment.claims_reading import load_claims

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
CLAIM = {"id": "X1", "says": "s", "source": "t", "arithmetic": "1 + 1", "expected": {"equals": 2}}
TIMED = {"experiment": "exp", "system": "a", "mode": "rerank", "k": 5, "statistic": "p50"}
VALUED = {"experiment": "exp", "system": "a", "metric": "ndcg@10", "dataset": "D"}


def claim(**changes: Any) -> dict[str, Any]:
    """A claim; a kind of evidence takes the place of the arithmetic."""
    kinds = {"catalogue", "package", "quality", "latency", "memory", "storage"}
    kept = {k: v for k, v in CLAIM.items() if k != "arithmetic" or not kinds & changes.keys()}
    return {k: v for k, v in (kept | changes).items() if v is not ...}


def write(folder: Path, *claims: Any, **top: Any) -> Path:
    (folder / "exp.yaml").touch()
    known = {"experiments": ["exp"], "datasets": {"D": {"names": ["d"]}}, "claims": list(claims)}
    file = folder / "claims.yaml"
    file.write_text(yaml.safe_dump(known | top, sort_keys=False))
    return file


def faults(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_claims(file)
    return str(caught.value)


def test_what_claims_name_is_not_faulty_because_something_beside_it_is(tmp_path: Path) -> None:
    numbers = {"a": {"value": 1.0, "source": "s"}, "b": {"value": 2.0}}
    file = write(
        tmp_path,
        claim(arithmetic="a + 1"),
        claim(id="X2", quality=VALUED, expected={"near": 0.5, "tolerance": 0.1}),
        experiments=["exp", "gone"],
        numbers=numbers,
    )
    heading, *found = faults(file).splitlines()
    assert len(found) == 2, (heading, found)
    assert "experiments[1]: there is no" in found[0]
    assert "numbers.b" in found[1]


def test_a_claim_of_every_kind(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        claim(),
        claim(id="X2", catalogue={"model": "BAAI/bge-m3", "fact": "dim"}),
        claim(id="X3", package={"name": "p", "file": "f"}, expected={"equals": "present"}),
        claim(id="X4a", quality=VALUED, expected={"near": 0.5, "tolerance": 0.1}),
        claim(id="X4b", latency=TIMED, expected={"between": [1, 2]}),
        claim(id="X5", memory={"experiment": "exp", "system": "a", "mode": "rerank"}),
        claim(
            id="X6",
            storage={
                "experiment": "exp",
                "model": "m",
                "dim": 8,
                "precision": "int8",
                "over": {"model": "m", "dim": 8, "precision": "plaid", "nbits": 2},
            },
        ),
    )
    found = load_claims(file)
    assert [one.id for one in found.claims] == ["X1", "X2", "X3", "X4a", "X4b", "X5", "X6"]
    assert found.claims[0].evidence == Arithmetic(expression="1 + 1", value=2)


def test_numbers_are_published_or_catalogued(tmp_path: Path) -> None:
    numbers = {
        "one": {"value": 3, "source": "a card"},
        "some": {"values": [1, 2], "source": "a table"},
        "dim": {"model": "BAAI/bge-m3", "fact": "dim"},
    }
    file = write(tmp_path, claim(arithmetic="dim / one - mean(some)"), numbers=numbers)
    (found,) = load_claims(file).claims
    assert isinstance(found.evidence, Arithmetic)
    assert found.evidence.value == pytest.approx(1024 / 3 - 1.5)
    assert found.evidence.sources == ("catalogue: BAAI/bge-m3", "a card", "a table")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sais": "x"}, "claims[0].sais: unknown key; did you mean 'says'?"),
        ({"source": ...}, "claims[0]: the key 'source' is missing"),
        ({"source": " "}, "claims[0].source: it is empty"),
        (
            {"id": "five"},
            "claims[0].id: string should match pattern '^[A-Z]{1,3}[0-9]+[a-z]?$', not 'five'",
        ),
        ({"expected": ...}, "claims[0]: the key 'expected' is missing"),
        ({"arithmetic": ...}, "claims[0]: say exactly one of arithmetic, catalogue"),
        (
            {"catalogue": {"model": "BAAI/bge-m3", "fact": "dim"}, "arithmetic": "1"},
            "claims[0]: say exactly one of arithmetic",
        ),
        ({"arithmetic": "open('x')"}, "claims[0].arithmetic: \"open('x')\" is not arithmetic"),
        ({"arithmetic": 5}, "claims[0].arithmetic: expected arithmetic such as `1 - a / b`, not 5"),
        ({"expected": {"abov": 2}}, "claims[0].expected.abov: unknown key; did you mean 'above'?"),
        ({"expected": {}}, "say exactly one of near, between"),
        ({"expected": {"above": 1, "below": 2}}, "say exactly one of near, between"),
        ({"expected": {"near": 1}}, "`near` needs a tolerance"),
        ({"expected": {"above": 1, "tolerance": 1}}, "`near` needs a tolerance"),
        ({"expected": {"near": 1, "tolerance": -1}}, "a tolerance is a number from 0"),
        ({"expected": {"near": 1, "tolerance": "2"}}, "a tolerance is a number from 0"),
        ({"expected": {"near": 1, "tolerance": "x%"}}, "a tolerance is a number from 0"),
        ({"expected": {"between": [2, 1]}}, "names the lower bound first"),
        ({"expected": {"between": [1]}}, "claims[0].expected.between"),
        ({"expected": {"above": math.inf}}, "claims[0].expected.above: input should be a finite"),
        ({"expected": {"between": [0, math.nan]}}, "claims[0].expected.between[1]: input should"),
        ({"expected": {"at_most": 10**400}}, "claims[0].expected.at_most"),
        ({"expected": {"equals": "two"}}, "claims[0].expected: a number is expected"),
        ({"expected": {"above": True}}, "claims[0].expected.above"),
        ({"catalogue": {"model": "BAAI/bge-m4", "fact": "dim"}}, "did you mean 'BAAI/bge-m3'?"),
        ({"catalogue": {"model": "BAAI/bge-m3", "fact": "age"}}, "claims[0].catalogue.fact"),
        (
            {"catalogue": {"model": "BAAI/bge-m3", "fact": "query_length"}},
            "claims[0].catalogue: the catalogue does not know the query_length of BAAI/bge-m3",
        ),
        ({"catalogue": {"model": "BAAI/bge-m3", "fact": "licence"}}, "a text is expected"),
        ({"quality": VALUED | {"experiment": "ex"}}, "did you mean 'exp'?"),
        ({"quality": VALUED | {"dataset": "E"}}, "'E' is not among `datasets`; known: D"),
        ({"quality": {**VALUED, "dataset": None}}, "name the dataset that the value is of"),
        ({"quality": VALUED | {"sistem": "b"}}, "claims[0].quality.sistem: unknown key; did you"),
        ({"latency": TIMED | {"k": None}}, "every mode but `retrieve` needs `k`"),
        ({"latency": TIMED | {"mode": "retrieve"}}, "every mode but `retrieve` needs `k`"),
        ({"latency": TIMED | {"statistic": None}}, "say either `statistic` or `over`"),
        ({"latency": TIMED | {"statistic": "p98"}}, "claims[0].latency.statistic"),
        ({"latency": TIMED | {"over": {"sistem": "b"}}}, "claims[0].latency.over.sistem: unknown"),
        ({"latency": 3}, "claims[0].latency: expected keys"),
        (
            {"storage": {"experiment": "exp", "model": "m", "dim": 8, "precision": "plaid"}},
            "`precision: plaid` needs `nbits`",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    told = faults(write(tmp_path, claim(**changes)))
    assert message in told
    assert re.search(r"claims\.yaml:\d+: ", told)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ({"claim": []}, "claim: unknown key; did you mean 'claims'?"),
        ({"claims": []}, "claims: expected a list of at least 1, not ()"),
        ({"claims": ["x"]}, "claims[0]: expected keys id"),
        ({"claims": [CLAIM, CLAIM]}, "claims[1].id: 'X1' occurs more than once"),
        ({"experiments": ["absent"]}, "experiments[0]: there is no "),
        ({"experiments": ["../exp"]}, "experiments[0]: there is no "),
        ({"experiments": "exp"}, "experiments: expected a list, not"),
        ({"datasets": []}, "datasets: expected keys with their values"),
        ({"datasets": {"D": {"names": []}}}, "datasets.D.names"),
        ({"numbers": {"x": {"value": "1", "source": "s"}}}, "numbers.x.value"),
        ({"numbers": {"x": {"value": math.nan, "source": "s"}}}, "numbers.x.value"),
        ({"numbers": {"x": {"source": "s"}}}, "say either `value` or `values`"),
        ({"numbers": {"mean": {"value": 1, "source": "s"}}}, "'mean' cannot be a name"),
        ({"numbers": {"a b": {"value": 1, "source": "s"}}}, "'a b' cannot be a name"),
        ({"numbers": {"x": {"model": "BAAI/bge-m3", "fact": "licence"}}}, "a licence is no number"),
    ],
)
def test_faults_outside_claims(tmp_path: Path, top: dict[str, Any], message: str) -> None:
    assert message in faults(write(tmp_path, claim(), **top))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    told = faults(write(tmp_path, claim(id="1"), claim(arithmetic="x"), claim(says=3), 7))
    assert told.startswith(f"{tmp_path / 'claims.yaml'} has 5 faults:")  # X1 occurs twice


@pytest.mark.parametrize("text", ["", "- a", "a: [", "a: &x [*x]", "claims: &x [*x]"])
def test_what_is_no_file_of_claims(tmp_path: Path, text: str) -> None:
    (tmp_path / "claims.yaml").write_text(text)
    assert "claims.yaml" in faults(tmp_path / "claims.yaml")


def test_a_key_twice_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text("claims:\n  - {id: A1, id: A2}\n")
    assert "claims.yaml:2: claims[0].id: repeated (first on line 2)" in faults(file)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.sampled_from([*CLAIM, "quality", "latency", "storage", "note"]), VALUES)
def test_any_value_is_read_or_told(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    file = write(tmp_path_factory.mktemp("x"), claim(**{key: value}))
    with contextlib.suppress(ConfigError):
        (found,) = load_claims(file).claims
        assert found.id


@pytest.mark.parametrize(
    ("said", "range_", "words"),
    [
        ({"near": 200, "tolerance": "2%"}, Range(196, 204), "near 200 within 2%"),
        ({"near": -1, "tolerance": 0.5}, Range(-1.5, -0.5), "near -1 within 0.5"),
        ({"between": [1, 2]}, Range(1, 2), "between 1 and 2"),
        ({"at_least": 1000}, Range(1000, math.inf), "at least 1,000"),
        ({"at_most": 0.02}, Range(-math.inf, 0.02), "at most 0.02"),
        ({"equals": "mit"}, None, "equal to mit"),
    ],
)
def test_what_is_expected(said: dict[str, Any], range_: Range | None, words: str) -> None:
    found = Expected.model_validate(said, strict=False)
    assert found.range() == range_
    assert found.words() == words


def test_bounds_that_do_not_belong() -> None:
    above, below = Expected(above=0).range(), Expected(below=1).range()
    assert above is not None
    assert below is not None
    assert [above.contains(value) for value in (0, 1e-300, math.inf)] == [False, True, True]
    assert [below.contains(value) for value in (1, 0.999, -math.inf)] == [False, True, True]
    assert above.misses(-1, 0)
    assert not above.misses(-1, 1e-9)


# The claims that come with the project.

DESK = {
    **dict.fromkeys(("M1", "M2", "M3", "M5a", "M11a", "M12a", "M12b", "M12c", "M13", "M15"), True),
    **dict.fromkeys(("M5b", "M9", "M11b", "M14", "M16", "M17"), False),
    **dict.fromkeys(("Q1", "Q4", "Q5c", "Q6a", "Q6b"), True),
    **dict.fromkeys(("Q2", "Q3a", "Q3b", "Q5a", "Q5b", "Q6c", "Q6d"), False),
    **dict.fromkeys(("L5b", "L12"), True),
    **dict.fromkeys(("L4e", "L5a"), False),
    **dict.fromkeys(("S1a", "S1b", "S2", "S3a", "S4a", "S5a", "S7", "S9b"), True),
    **dict.fromkeys(("S1c", "S4b", "S4c", "S5b", "S9a"), False),
    **dict.fromkeys(("R10", "R11", "R12", "R13"), True),
}
"""What was known of each before anything ran, by reading sources and by hand."""


@pytest.fixture(scope="module")
def ours() -> Any:
    return load_claims(EXPERIMENTS / "claims.yaml")


def test_our_claims_name_their_sources_and_no_place_on_a_disk(ours: Any) -> None:
    assert len({one.id for one in ours.claims}) == len(ours.claims)
    assert all(one.says.endswith(".") and one.source for one in ours.claims)
    text = (EXPERIMENTS / "claims.yaml").read_text()
    assert not re.search(r"(?<![\w.])/(?:home|work|tmp|root|Users|mnt)/", text)


def test_arithmetic_and_catalogue_agree_with_the_desk(ours: Any) -> None:
    nothing = Stored({}, ours.datasets, EXPERIMENTS)
    at_a_desk = (Arithmetic, Catalogued)
    found = {
        one.id: judge(one, nothing).verdict
        for one in ours.claims
        if isinstance(one.evidence, at_a_desk)
    }
    assert found == {name: "supported" if holds else "contradicted" for name, holds in DESK.items()}


def test_what_needs_results_says_what_to_run(ours: Any) -> None:
    nothing = Stored({}, ours.datasets, EXPERIMENTS)
    others = [one for one in ours.claims if hasattr(one.evidence, "experiment")]
    assert len(others) > 50
    for one in others:
        found = judge(one, nothing)
        assert found.verdict == "not measured"
        assert f"run {EXPERIMENTS / one.evidence.experiment}.yaml`" in found.evidence
