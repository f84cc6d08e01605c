"""The parts of a docstring in numpydoc format."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_DROPPED_SECTIONS = frozenset({"see also", "references", "examples", "methods", "backends"})
_TITLE = re.compile(r"^[ \t]*(\S.*)\n[ \t]*(?:-{3,}|={3,}|~{3,})[ \t]*$", re.MULTILINE)
_SIGNATURE = re.compile(r"[\w.]+\(.*\)(\s*->.*)?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_VERSION_NOTE = re.compile(
    r"^([ \t]*)\.\. (?:version\w+|deprecated|seealso)::.*(?:\n(?:\1[ \t]+\S.*|[ \t]*$))*",
    re.MULTILINE,
)
_ADDED = re.compile(r"\*\*Array API Standard Support\*\*.*", re.DOTALL)
_MARKUP = re.compile(r"(?::\w+)+:(?=`)|`~|\s<[^<>`\n]*>`_*|\[\w+\]_|\.\. [\w-]+::|`+_*")


class Parts(NamedTuple):
    """What the dataset takes from one docstring, each text on one line."""

    summary: str
    """The first paragraph after the signature."""
    body: str
    """The rest without the dropped sections."""
    see_also: Sequence[str]
    """The names in See Also, as written."""


def split(docstring: str) -> Parts:
    """The parts of a docstring in numpydoc format; empty where it has none of them."""
    text = _VERSION_NOTE.sub("", inspect.cleandoc(docstring))
    head, *sections = _TITLE.split(text)
    titles = [title.strip(" \t:").casefold() for title in sections[::2]]
    titled = list(zip(titles, sections[::2], sections[1::2], strict=True))
    paragraphs = re.split(r"\n\s*\n", head.strip())
    while len(paragraphs) > 1 and _SIGNATURE.fullmatch(paragraphs[0]):
        paragraphs.pop(0)
    used = [f"{name}\n{lines}" for key, name, lines in titled if key not in _DROPPED_SECTIONS]
    body = [_ADDED.sub("", part) for part in ["\n\n".join(paragraphs[1:]), *used]]
    linked = "\n".join(lines for key, _, lines in titled if key == "see also")
    return Parts(_plain(paragraphs[0]), _plain("\n".join(body)), list(see_also_names(linked)))


def see_also_names(section: str) -> Iterator[str]:
    """The names in a See Also section; descriptions are indented or follow a colon."""
    for line in section.split("\n"):
        if not line[:1].isspace():
            before = re.split(r"\s?:(?:\s|$)", _MARKUP.sub("", line), maxsplit=1)[0]
            names = [part.strip().removesuffix("()") for part in before.split(",") if part.strip()]
            if all(_NAME.fullmatch(name) for name in names):
                yield from (name.rstrip(".") for name in names)


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub("", text).split())
