"""A graded dataset made from docstrings that are installed anyway: nothing is downloaded.

The query is the summary of a function, class or method (its first paragraph). A document is what
remains of a docstring without the summary and without what would give the answer away or is not
prose about the function: signature, See Also, References, Examples, Methods, version notes, and the
text that packages add about their backends. Documents have no title: with the qualified name in
front, many queries would be answered by matching the words of one identifier.

A function's own document has relevance 2, those that its See Also section names have 1. Only
functions on a See Also link are kept; the others would be distractors that nobody judged.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import pkgutil
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import ClassVar, Literal, NamedTuple

from harness.components.datasets._docstrings import Parts, split
from harness.data import Dataset, Doc, Query, words
from harness.errors import DataError, PackageError

VERSION = "1"
"""The rules by which the dataset is made; raised when they change."""

TEST_QUERIES = 300
"""Those of the test split; what else is usable trains."""

SMALLEST_QUERY = 4
"""Words; shorter summaries ("Gamma function.") are names."""

SHINGLE = 5
"""Words in a shingle, the unit in which documents are compared."""

BOILERPLATE = 25
"""Documents; a shingle that more of them share says nothing about any one of them."""

SMALLEST_DOC = 25
"""Shingles that are not boilerplate; what is shorter says little but "Refer to numpy.sum"."""

NEAR_DUPLICATE = 0.5
"""Jaccard similarity of two documents' shingles, without boilerplate, that makes one redundant."""

_DISTRIBUTIONS: Mapping[str, str] = {
    "networkx": "networkx",
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
}
_SKIPPED_MODULES = re.compile(
    "_.*|compat|conftest|core|distutils|experimental|externals|f2py|misc|testing|tests"
)
"""Not public, deprecated, or changing the package when imported."""

_DESCRIPTION = (
    "Summaries of Python functions as queries, the rest of their docstrings as documents: a "
    "function's own document has relevance 2, those that its See Also section names have 1. Query "
    "and document have the same author and share vocabulary, and See Also links are incomplete "
    "judgements, so many good documents are unjudged. It tells systems apart and trains small "
    "models; its figures are not comparable with those of any published benchmark."
)
_OF_THIS_MACHINE = ("on this platform", " at 0x", "site-packages")


class _Entry(NamedTuple):
    name: str
    """The shortest of the paths."""
    paths: Sequence[str]
    """Every public path to the object, the shortest first."""
    parts: Parts


class _Selection(NamedTuple):
    docs: Mapping[str, Parts]
    """By name, sorted."""
    related: Mapping[str, Sequence[str]]
    """The docs that a doc's own See Also names, sorted; only docs that have some."""
    notes: Sequence[str]


def _modules(name: str) -> Iterator[ModuleType]:
    try:
        module = importlib.import_module(name)
    except ImportError:  # a submodule for an optional package that is not installed
        return
    yield module
    for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
        if not _SKIPPED_MODULES.fullmatch(found.name):
            yield from _modules(f"{name}.{found.name}")


def _objects() -> Iterator[tuple[str, object]]:
    """Every public path with its object; members come under every path of their class."""
    for package in _DISTRIBUTIONS:
        for module in _modules(package):
            exported = vars(module).get("__all__")
            home = package if exported else module.__name__
            for name in exported or vars(module):
                value = vars(module).get(name)
                owner = getattr(value, "__module__", None) or home  # ufuncs have no module
                if callable(value) and name[0] != "_" and f"{owner}.".startswith(f"{home}."):
                    yield f"{module.__name__}.{name}", value
                    if isinstance(value, type):
                        yield from _members(f"{module.__name__}.{name}", value)


def _members(path: str, owner: type) -> Iterator[tuple[str, object]]:
    seen: set[str] = set()
    for cls in owner.__mro__:
        public = {name for name in vars(cls) if name[0] != "_"} - seen
        seen |= public
        for name in public if cls.__module__.split(".")[0] in _DISTRIBUTIONS else ():
            member = vars(cls)[name]
            accessed = getattr(member, "_accessor", None)  # pandas: Series.str, Series.dt, ...
            if isinstance(accessed, type):
                yield from _members(f"{path}.{name}", accessed)
            elif not isinstance(member, type):
                yield f"{path}.{name}", getattr(member, "__func__", member)


def _shortness(path: str) -> tuple[int, str]:
    return path.count("."), path


def _harvest() -> list[_Entry]:
    """Every documented public object once, in an order that its names alone decide."""
    paths: defaultdict[int, set[str]] = defaultdict(set)
    objects: dict[int, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # modules that are on their way out warn when imported
        for path, value in _objects():
            objects[id(value)] = value
            paths[id(value)].add(path)
    entries = []
    for key, value in objects.items():
        text = getattr(value, "__doc__", None)
        if not isinstance(text, str) or text == type(value).__doc__:
            continue
        deprecated = ".. deprecated::" in text.partition("---")[0]
        if not deprecated and not any(mark in text for mark in _OF_THIS_MACHINE):
            ordered = sorted(paths[key], key=_shortness)
            entries.append(_Entry(ordered[0], ordered, split(text)))
    return sorted(entries, key=lambda entry: _shortness(entry.name))


def _links(entries: Sequence[_Entry]) -> dict[str, list[str]]:
    """For each name the entries that its See Also section names."""
    known = {path: entry.name for entry in reversed(entries) for path in entry.paths}  # first wins
    links = {}
    for entry in entries:
        meant = (_meant(written, entry.paths, known) for written in entry.parts.see_also)
        links[entry.name] = [name for name in meant if name]
    return links


def _meant(written: str, paths: Sequence[str], known: Mapping[str, str]) -> str | None:
    """The entry that `written` names when said at `paths`: looked up there, then outwards."""
    for path in paths:
        scope = path.split(".")
        for depth in range(len(scope) - 1, -1, -1):
            if name := known.get(".".join([*scope[:depth], written])):
                return name
    return None


def _originals(entries: Sequence[_Entry]) -> dict[str, str]:
    """For each entry with text enough, the entry to keep for it: itself or an earlier one."""
    import numpy as np
    from scipy.sparse import csr_array

    numbers: dict[tuple[str, ...], int] = {}
    columns: list[int] = []
    ends = [0]
    for entry in entries:
        body = words(entry.parts.body)
        shingles = dict.fromkeys(zip(*(body[i:] for i in range(SHINGLE)), strict=False))
        columns += [numbers.setdefault(shingle, len(numbers)) for shingle in shingles]
        ends.append(len(columns))
    ones = np.ones(len(columns), dtype=np.int32)
    found = csr_array((ones, columns, ends), shape=(len(entries), len(numbers)))
    found = found[:, found.sum(axis=0) <= BOILERPLATE]
    sizes = found.sum(axis=1)
    shared = (found @ found.T).tocoo()
    one, other = shared.coords
    alike = shared.data >= NEAR_DUPLICATE * (sizes[one] + sizes[other] - shared.data)
    pairs = sorted(zip(one[alike].tolist(), other[alike].tolist(), strict=True))
    stands_for: dict[int, int] = {}
    for late, early in pairs:  # every entry with shingles is paired with itself, too
        if sizes[late] >= SMALLEST_DOC and (stands_for.get(early) == early or early == late):
            stands_for.setdefault(late, early)
    return {entries[late].name: entries[early].name for late, early in stands_for.items()}


def _selected(entries: Sequence[_Entry]) -> _Selection:
    """The entries that become docs: on a See Also link, long enough, unlike the others."""
    links = _links(entries)
    linked = {name for name, others in links.items() if others}.union(*links.values())
    candidates = [entry for entry in entries if entry.name in linked]
    originals = _originals(candidates)
    distinct = sorted(name for name, original in originals.items() if name == original)
    targets = {name: {originals[o] for o in links[name] if o in originals} for name in distinct}
    related = {name: sorted(targets[name] - {name}) for name in distinct}
    names = {name for name, found in related.items() if found}.union(*related.values())
    docs = {entry.name: entry.parts for entry in entries if entry.name in names}
    notes = (
        f"{len(entries) - len(candidates)} documented objects without a See Also link left out",
        f"{len(candidates) - len(originals)} with such a link, but too little text, left out",
        f"{len(originals) - len(distinct)} near-duplicates replaced by the one that was kept",
        f"{len(distinct) - len(names)} left out because all their links led to one of those",
    )
    usable = {name: found for name, found in related.items() if found}
    return _Selection(dict(sorted(docs.items())), usable, notes)


def _queries(selection: _Selection) -> dict[str, list[str]]:
    """The names whose summaries are queries, by split; raises DataError where they are too few."""
    wordings = {name: " ".join(words(parts.summary)) for name, parts in selection.docs.items()}
    times = Counter(wordings.values())
    usable = [
        name
        for name in selection.related
        if len(selection.docs[name].summary.split()) >= SMALLEST_QUERY
        and times[wordings[name]] == 1
        and wordings[name] not in " ".join(words(selection.docs[name].body))
    ]
    if len(usable) < TEST_QUERIES:
        raise DataError(
            f"the dataset pydoc needs {TEST_QUERIES} functions with a summary and a See Also link, "
            f"but {', '.join(_DISTRIBUTIONS.values())} have {len(usable)}; a Python that was "
            "started with -OO has no docstrings: start it without"
        )
    usable.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return {"test": sorted(usable[:TEST_QUERIES]), "train": sorted(usable[TEST_QUERIES:])}


def _unjudged(entries: Sequence[_Entry], judged: Sequence[str]) -> list[Query]:
    """The summaries of some length in other words, each once, whether a document is theirs or not."""
    names = set(judged)
    wordings: dict[str, _Entry | None] = {}
    for entry in sorted(entries, key=lambda entry: (entry.name not in names, entry.name)):
        wording = " ".join(words(entry.parts.summary))
        wordings.setdefault(wording, None if entry.name in names else entry)
    return [
        Query(entry.name, entry.parts.summary)
        for entry in wordings.values()
        if entry and len(entry.parts.summary.split()) >= SMALLEST_QUERY
    ]


@dataclass(frozen=True)
class Pydoc:
    """Find the function that a summary describes, and those that its authors call related."""

    needs: ClassVar[tuple[str, ...]] = tuple(_DISTRIBUTIONS)
    split: Literal["test", "train", "unjudged"] = "test"
    """300 queries chosen by the hashes of their ids, all the others that are judged, or summaries of
    other functions (four words and more, each wording once); over the same docs."""

    def label(self) -> str:
        """`pydoc`, or `pydoc-train` and `pydoc-unjudged` for the other splits."""
        return "pydoc" if self.split == "test" else f"pydoc-{self.split}"

    def identity(self) -> Mapping[str, str]:
        """The versions of the packages and of the making rules; raises PackageError."""
        found = {"pydoc": VERSION}
        for distribution in _DISTRIBUTIONS.values():
            try:
                found[distribution] = importlib.metadata.version(distribution)
            except importlib.metadata.PackageNotFoundError as error:
                raise PackageError(
                    f"the dataset pydoc is made from the docstrings of {distribution}, which is "
                    f"not installed: pip install {distribution}"
                ) from error
        return found

    def training(self) -> Pydoc:
        """The training queries; raises DataError where those are the ones to measure on."""
        if self.split == "train":
            raise DataError(
                "The dataset pydoc with `split: train` is measured on its training queries, which "
                "leaves none to learn from: measure on `split: test`."
            )
        return replace(self, split="train")

    def load(self) -> Dataset:
        """The dataset, made anew in seconds; raises PackageError, or DataError."""
        versions = self.identity()
        entries = _harvest()
        selection = _selected(entries)
        names = _queries(selection)
        chosen = names.get(self.split, [])
        queries = [Query(name, selection.docs[name].summary) for name in chosen]
        if self.split == "unjudged":
            queries = _unjudged(entries, [*names["test"], *names["train"]])
        return Dataset(
            name=self.label(),
            docs=[Doc(name, parts.body) for name, parts in selection.docs.items()],
            queries=queries,
            qrels={id_: {id_: 2} | dict.fromkeys(selection.related[id_], 1) for id_ in chosen},
            description=_DESCRIPTION,
            notes=[*selection.notes, "made from " + ", ".join(map(" ".join, versions.items()))],
        )
