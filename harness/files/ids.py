"""What an id may be, and why ids that look alike are not the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import islice
from operator import methodcaller

from harness.errors import DataError
from harness.files import bounds
from harness.files.wrong_values import shown

NOT_IN_AN_ID = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")
"""White space, at which every reader of a TREC run or qrels file would split it, and control
characters, which nobody sees."""

UNRELATED = 0.01
"""Share of names that must be known, or they are of something else."""


LOOKED_AT = 100_000
"""Names of each side that are compared."""


def fault(name: str) -> str | None:
    """Why `name` cannot be an id, as the end of a sentence; None where it can."""
    if not name:
        return "is empty"
    if len(name) > bounds.ID:
        return f"has over {bounds.ID:,} characters"
    found = NOT_IN_AN_ID.search(name)
    if found is None:
        return None
    if found[0].isspace():
        return "contains white space"
    return f"contains the control character U+{ord(found[0]):04X}"


def checked(place: str, name: str) -> str:
    """`name`; raises DataError, naming the place where it stands, if it cannot be an id."""
    if why := fault(name):
        raise DataError(f"{place}: the id {shown(name)} {why}.")
    return name


def unrelated(names: Collection[str], known: Collection[str]) -> bool:
    """Whether of `names` (a set) none, or nearly none, is in `known`."""
    return sum(name in known for name in names) < UNRELATED * len(names)


def alike(names: Iterable[str], known: Iterable[str]) -> str | None:
    """One of `names` that is nearly one of `known`, and in what they differ, as the end of a sentence.

    None where no simple change makes one the other. Of many only the first LOOKED_AT are compared:
    what is written otherwise is so throughout.
    """
    names, known = list(islice(names, LOOKED_AT)), list(islice(known, LOOKED_AT))
    for differ, of_name, of_known in CHANGES:
        there = {of_known(one): one for one in known}
        for name in names:
            other = there.get(of_name(name))
            if other is not None and other != name:
                return f"{name!r} and {other!r} differ in {differ}"
    return None


Change = Callable[[str], str]


def _visible(name: str) -> str:
    return "".join(c for c in name if unicodedata.category(c) != "Cf")


def _joined(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _after_prefix(name: str) -> str:
    return _unpadded(re.sub(r"^(.*[\W_]|[^\W\d_]+(?=\d))", "", name))


_form: Change = partial(unicodedata.normalize, "NFKC")
_unpadded: Change = partial(re.compile(r"(?<!\d)0+(?=\d)").sub, "")
_whole: Change = partial(re.compile(r"(?<=\d)\.0$").sub, "")
_before_ending: Change = partial(re.compile(r"\.[A-Za-z]\w*$").sub, "")
_bare: Change = methodcaller("strip", "\"'<>")

CHANGES: tuple[tuple[str, Change, Change], ...] = (
    ("their Unicode form (such as NFC and NFD)", _form, _form),
    ("characters that nobody sees", _visible, _visible),
    ("upper and lower case", str.casefold, str.casefold),
    ("leading zeros", _unpadded, _unpadded),
    ("quotation marks or brackets around them", _bare, _bare),
    ("a `.0` at the end, as of numbers that were read as floats", _whole, _whole),
    ("punctuation", _joined, _joined),
    ("a prefix", _after_prefix, _unpadded),
    ("a prefix", _unpadded, _after_prefix),
    ("an ending", _before_ending, str),
    ("an ending", str, _before_ending),
)
"""In what names may differ, and what of a name and of a known one is then equal."""
