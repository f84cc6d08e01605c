"""Documents in files are the list that was written, whatever characters they hold."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data import Dataset, Doc, Query, doc_ids, doc_texts, docs_at
from harness.files import stored_docs
from harness.files.stored_docs import StoredDocs, Writer, hashes

ANY = st.text(st.characters())
"""Halves of surrogate pairs among them."""

DOCS = st.dictionaries(ANY.filter(bool), ANY, min_size=1, max_size=30).map(
    lambda texts: [Doc(*item) for item in texts.items()]
)


def write(folder: Path, docs: Sequence[Doc], block: int = 4) -> StoredDocs:
    writer = Writer(folder)
    for start in range(0, len(docs), block):
        some = docs[start : start + block]
        writer.add(some, stored_docs.hashes([doc.doc_id for doc in some]))
    writer.finish()
    return StoredDocs(folder)


@contextmanager
def stored(docs: Sequence[Doc], block: int = 4) -> Iterator[StoredDocs]:
    with tempfile.TemporaryDirectory() as folder:
        yield write(Path(folder), docs, block)


@given(DOCS, st.integers(1, 9), st.slices(30))
def test_they_are_the_list_that_was_written(docs: list[Doc], block: int, part: slice) -> None:
    with stored(docs, block) as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_docs, "BLOCK", block)
        assert list(found) == docs
        assert len(found) == len(found.ids) == len(found.texts) == len(docs)
        assert found[part] == docs[part]
        assert found.texts[part] == doc_texts(docs)[part]
        assert list(doc_ids(found)) == doc_ids(docs)
        assert list(doc_texts(found)) == doc_texts(docs)
        assert [found[i] for i in range(-len(docs), len(docs))] == docs * 2
        assert list(pickle.loads(pickle.dumps(found))) == docs
        for column in (found, found.ids, found.texts):
            with pytest.raises(IndexError):
                column[len(docs)]


@given(DOCS, st.lists(ANY))
def test_they_are_found_as_in_a_list(docs: list[Doc], names: list[str]) -> None:
    names += [doc.doc_id for doc in docs[::2]]
    listed = Dataset("x", docs, [Query("q", "")], {"q": {"d": 1}})
    with stored(docs) as found:
        lying = Dataset("x", found, listed.queries, listed.qrels)
        assert lying.fingerprint == listed.fingerprint
        assert lying.known(names) == listed.known(names)
        assert list(lying.found(names).items()) == list(listed.found(names).items())
        places = list(listed.places_by_id(names).values())
        assert docs_at(found, places) == docs_at(docs, places)


def test_ids_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stored_docs, "hashes", lambda ids: np.zeros(len(ids), "<u8"))
    docs = [Doc(f"d{i}", f"{i}") for i in range(5)]
    found = write(tmp_path, docs)
    assert found.places(["d3", "d9", "d0"]) == [3, -1, 0]


def test_hashes_are_the_same_everywhere() -> None:
    # BLAKE2b of 8 bytes, little-endian: `printf d1 | b2sum --length=64`
    assert [f"{int(one):016x}" for one in hashes(["d1"]).byteswap()] == ["fcd38eb77616f227"]
