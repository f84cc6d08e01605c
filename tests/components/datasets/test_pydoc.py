"""The dataset made from docstrings: its parser on literals, and the real thing as a whole."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.components.datasets import pydoc
from harness.components.datasets._docstrings import Parts, see_also_names, split
from harness.components.datasets.pydoc import Pydoc
from harness.components.protocols import DatasetSource
from harness.data import Dataset
from harness.errors import DataError, PackageError

DOCSTRING = """norm(x, ord=None)

    Matrix or
    vector norm.

    .. versionadded:: 1.2
       Here since then.

    Returns one of ``eight`` norms, see :func:`~numpy.linalg.svd` and [1]_.

    Parameters
    ----------
    x : array_like
        Input array.

        .. deprecated:: 1.3

    See Also
    --------
    scipy.linalg.norm : Like this one,
        but elsewhere.
    svd, qr

    Notes
    -----
    Zero for zero.

    **Array API Standard Support**

    Many libraries.

    References
    ----------
    .. [1] A book.

    Examples
    --------
    >>> norm(1)
    1.0
    """


def normalised(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def test_split_takes_a_docstring_apart() -> None:
    assert split(DOCSTRING) == Parts(
        summary="Matrix or vector norm.",
        body=(
            "Returns one of eight norms, see numpy.linalg.svd and . "
            "Parameters x : array_like Input array. Notes Zero for zero."
        ),
        see_also=["scipy.linalg.norm", "svd", "qr"],
    )


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("", Parts("", "", [])),
        ("One line.", Parts("One line.", "", [])),
        ("f(x)", Parts("f(x)", "", [])),
        ("f(x) -> int\n\nSum it.\n\nAll of it.", Parts("Sum it.", "All of it.", [])),
        ("Sum.\n\nSee also:\n=========\nmean", Parts("Sum.", "", ["mean"])),
        ("Sum.\n\n\tSee Also\n\t--------\n\tmean : Average.\n", Parts("Sum.", "", ["mean"])),
        ("Sum.\n\nSee Also\n--------", Parts("Sum.", "", [])),
        ("Sum.\n\nSee Also\n--------\n\nNotes\n-----\nBig.", Parts("Sum.", "Notes Big.", [])),
        ("Sum.\n\n.. seealso:: mean\n\nRest.", Parts("Sum.", "Rest.", [])),
    ],
)
def test_split_bears_odd_docstrings(docstring: str, expected: Parts) -> None:
    assert split(docstring) == expected


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("", []),
        ("norm : Length.", ["norm"]),
        ("norm: Length, of a sort.", ["norm"]),
        ("norm :", ["norm"]),
        ("norm, linalg.det,", ["norm", "linalg.det"]),
        ("norm, det : Both.\n    More, about them.\nsvd", ["norm", "det", "svd"]),
        (":func:`norm`, :py:meth:`~a.B.c`\n    Both.", ["norm", "a.B.c"]),
        ("`norm` : Length.\n``det``", ["norm", "det"]),
        ("norm() : Length.", ["norm"]),
        ("norm.", ["norm"]),
        ("norm :\n\tLength: long.", ["norm"]),
        ("A sentence, not a name.\n<url>\n1.5", []),
        ("\n\n  \n,", []),
    ],
)
def test_see_also_names(section: str, expected: list[str]) -> None:
    assert list(see_also_names(section)) == expected


@given(before=st.text(), after=st.text())
def test_split_never_raises_and_never_returns_see_also(before: str, after: str) -> None:
    split(before)
    parts = split(f"{before}\nSee Also\n--------\nqqq : xyzzy\n    plugh\n\n{after}")
    assert not re.search("xyzzy|plugh", parts.summary + parts.body)


@given(st.text())
def test_texts_are_on_one_line(docstring: str) -> None:
    parts = split(docstring)
    assert all(text == " ".join(text.split()) for text in (parts.summary, parts.body))


def test_is_a_dataset_source_whose_identity_names_every_package() -> None:
    assert isinstance(Pydoc(), DatasetSource)
    assert (Pydoc().label(), Pydoc(split="train").label()) == ("pydoc", "pydoc-train")
    assert Pydoc(split="unjudged").label() == "pydoc-unjudged"
    assert set(Pydoc().identity()) == {
        "pydoc", "numpy", "scipy", "pandas", "scikit-learn", "networkx",
    }  # fmt: skip
    assert [field.name for field in dataclasses.fields(Pydoc)] == ["split"]


def test_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    with pytest.raises(PackageError, match=r"docstrings of networkx.*pip install networkx"):
        Pydoc().load()


def test_too_few_functions_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydoc, "_harvest", list)
    with pytest.raises(DataError, match=r"needs 300 functions .* have 0; .*-OO"):
        Pydoc().load()


WORDS = " ".join(f"w{number}" for number in range(60))
"""56 shingles of five words."""


def entry(name: str, body: str, *see_also: str) -> pydoc._Entry:
    return pydoc._Entry(name, [name], Parts(f"Summary of {name}.", body, see_also))


def test_links_to_a_near_duplicate_lead_to_the_one_that_is_kept() -> None:
    reverse = " ".join(reversed(WORDS.split()))
    selection = pydoc._selected(
        [
            entry("a.sum", WORDS),
            entry("a.A.sum", WORDS + " more", "mean"),
            entry("a.mean", reverse, "A.sum", "a.mean", "short", "nowhere"),
            entry("a.short", "too short", "sum"),
            entry("a.alone", WORDS.replace("w", "v")),
        ]
    )
    assert dict(selection.related) == {"a.mean": ["a.sum"]}
    assert list(selection.docs) == ["a.mean", "a.sum"]
    assert [note.split()[0] for note in selection.notes] == ["1", "1", "1", "0"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [("B.c", "a.B.c"), ("d", "a.B.d"), ("e", "a.e"), ("a.e", "a.e"), ("z.e", "z.e"), ("q", None)],
)
def test_names_are_looked_up_from_the_class_outwards(written: str, expected: str | None) -> None:
    known = {name: name for name in ("a.B.c", "a.B.d", "a.d", "a.e", "z.e")}
    assert pydoc._meant(written, ["a.B.c"], known) == expected


@pytest.fixture(scope="module")
def test_set() -> Dataset:
    return Pydoc().load()


@pytest.fixture(scope="module")
def train_set() -> Dataset:
    return Pydoc(split="train").load()


def test_sizes(test_set: Dataset, train_set: Dataset) -> None:
    assert 2000 <= len(test_set.docs) <= 3200
    assert len(test_set.queries) == pydoc.TEST_QUERIES
    assert len(train_set.queries) > 1000


def test_own_doc_is_2_and_related_docs_are_1(test_set: Dataset, train_set: Dataset) -> None:
    for dataset in (test_set, train_set):
        assert list(dataset.qrels) == [query.query_id for query in dataset.queries]
        for query_id, judged in dataset.qrels.items():
            assert judged[query_id] == 2
            others = Counter(judged.values()) - Counter([2])
            assert set(others) == {1}
            assert dataset.known(judged) == judged.keys()


def test_unjudged_queries_say_what_no_judged_one_says(
    test_set: Dataset, train_set: Dataset
) -> None:
    unjudged = Pydoc(split="unjudged").load()
    assert (unjudged.qrels, unjudged.docs) == ({}, test_set.docs)
    assert len(unjudged.queries) > len(train_set.queries)
    wordings = [normalised(query.text) for query in unjudged.queries]
    assert len(wordings) == len(set(wordings))
    judged = {normalised(query.text) for query in [*test_set.queries, *train_set.queries]}
    assert judged.isdisjoint(wordings)


def test_well_known_links(test_set: Dataset, train_set: Dataset) -> None:
    qrels = {**test_set.qrels, **train_set.qrels}
    assert qrels["networkx.k_shell"].keys() >= {"networkx.core_number", "networkx.k_corona"}
    assert qrels["pandas.DataFrame.add_prefix"].get("pandas.DataFrame.add_suffix") == 1
    assert qrels["scipy.stats.median_test"].get("scipy.stats.kruskal") == 1


def test_docs_and_queries_are_distinct(test_set: Dataset, train_set: Dataset) -> None:
    queries = [*test_set.queries, *train_set.queries]
    for texts in (test_set.docs, queries):
        assert max(Counter(normalised(item.text) for item in texts).values()) == 1
        assert max(Counter(item[0] for item in texts).values()) == 1
    assert train_set.docs == test_set.docs


def test_queries_are_usable_and_do_not_leak(test_set: Dataset, train_set: Dataset) -> None:
    for dataset in (test_set, train_set):
        for query in dataset.queries:
            own = normalised(dataset.found([query.query_id])[query.query_id].text)
            assert len(query.text.split()) >= 4
            assert normalised(query.text) not in own


def test_docs_hold_no_dropped_section_and_no_machine(test_set: Dataset) -> None:
    unwanted = re.compile(r"See Also [a-z]|References \.\. \[|Examples >>>|on this platform| at 0x")
    assert [doc.doc_id for doc in test_set.docs if unwanted.search(doc.text)] == []
    assert [doc.doc_id for doc in test_set.docs if re.search(r"\.(_|tests?\.)", doc.doc_id)] == []


def test_notes_say_what_was_left_out_and_the_versions(test_set: Dataset) -> None:
    assert "near-duplicates" in " ".join(test_set.notes)
    assert f"numpy {importlib.metadata.version('numpy')}" in test_set.notes[-1]
    assert "not comparable" in test_set.description


def test_same_fingerprint_in_another_process(test_set: Dataset) -> None:
    code = (
        "import sys; from harness.components.datasets.pydoc import Pydoc; "
        "assert not {'numpy', 'scipy', 'pandas'} & set(sys.modules); "
        "print(Pydoc().load().fingerprint)"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == test_set.fingerprint


def test_training_queries() -> None:
    assert Pydoc().training() == Pydoc(split="train")
    with pytest.raises(DataError, match="measured on its training queries"):
        Pydoc(split="train").training()
