"""The systems that a team could deploy: how each is run here, and what it was tested against."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness.files import disk

Against = Literal[
    "real server", "real library", "real weights", "tiny weights", "contract server", "not tested"
]
"""What the tests of a system ask: a server or library of that name (with weights that were trained,
or with random ones of the same format on disk), or a server of our own that speaks its protocol."""


class DeployableSystem(BaseModel):
    """A system as it is known by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    runs: Mapping[str, Sequence[str]]
    """By kind of component what `use:` says, or `endpoint DIALECT` for one on a server."""
    against: Against
    tests: Sequence[str] = ()
    """Files, or FILE::FUNCTION, of the project that hold these tests."""
    note: str = ""

    def use(self) -> list[str]:
        """What an experiment file says: a line each."""
        return [_said(kind, how) for kind, hows in self.runs.items() for how in hows]


def _said(kind: str, how: str) -> str:
    use, _, dialect = how.partition(" ")
    spoken = f", dialect: {dialect}" if dialect not in ("", use) else ""  # or the only one it has
    return f"{kind[:-1]}: {{use: {use}{spoken}, ...}}"


@functools.cache
def known() -> tuple[DeployableSystem, ...]:
    """All of them, in the order of `systems.yaml`."""
    listed = disk.read_yaml(Path(__file__).with_name("systems.yaml"))
    return tuple(DeployableSystem.model_validate(system) for system in listed)


def markdown() -> str:
    """A table for the documentation."""
    rows = [("system", "in an experiment file", "tested against", "beside"), ("---",) * 4]
    rows += [
        (s.name, "<br>".join(f"`{line}`" for line in s.use()), s.against, s.note) for s in known()
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def text(width: int) -> str:
    """The same for a terminal of `width` columns."""
    lines = ["systems:"]
    for system in known():
        lines.append(f"  {system.name}")
        facts = [*system.use(), f"tested against: {system.against}", system.note]
        lines += [
            line
            for fact in filter(None, facts)
            for line in textwrap.wrap(
                fact, width, initial_indent="    ", subsequent_indent="      "
            )
        ]
    return "\n".join(lines)
