"""Which systems run: one whose model brings code of its own needs the user's trust and a commit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from harness.components import registry
from harness.components.models.catalogue import known
from harness.components.models.references import COMMIT, LOCAL
from harness.components.protocols import Served
from harness.experiment.schema import System
from harness.page.text import listed

NOT_TRUSTED = (
    "left out, because a model brings code of its own; `trust_remote_code: true` in the experiment "
    "lets it run"
)


class Choice(NamedTuple):
    """The systems that run, and by name why each of the others does not."""

    systems: tuple[System, ...]
    left_out: Mapping[str, str]


def choose(systems: Sequence[System], *, trusted: bool) -> Choice:
    """Where code of models is `trusted`, those of them that are pinned run it."""
    allowed = [_trusting(system) if trusted else system for system in systems]
    reasons = {system.name: next(_reasons(system, trusted), "") for system in allowed}
    return Choice(
        tuple(system for system in allowed if not reasons[system.name]),
        {name: why for name, why in reasons.items() if why},
    )


def _reasons(system: System, trusted: bool) -> Iterator[str]:
    """Why a system does not run, of each model whose code it may not run."""
    for component in system.components:
        for part in registry.parts(component):
            facts = known(part.model) if _may_bring_code(part) else None
            if facts and facts.remote_code and not part.trust_remote_code:
                yield _unpinned(part.model) if trusted else NOT_TRUSTED


def _unpinned(model: str) -> str:
    name = model.partition("@")[0]
    return (
        "left out, because a model brings code of its own, which runs only at a commit; write "
        f"{name}@COMMIT, of 40 hex digits"
    )


def sentences(left_out: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each reason, with the systems that do not run because of it."""
    for reason in dict.fromkeys(left_out.values()):
        yield f"{listed([name for name in left_out if left_out[name] == reason])}: {reason}."


def _trusting(system: System) -> System:
    """The system whose pinned models run the code that they bring, as far as the catalogue knows."""

    def change(part: Any) -> Any:
        if not _may_bring_code(part) or not COMMIT.fullmatch(part.model.partition("@")[2]):
            return part
        facts = known(part.model)
        brings = facts is None or facts.remote_code
        return dataclasses.replace(part, trust_remote_code=True) if brings else part

    parts = {
        name: registry.replaced(part, change)
        for name in ("retriever", "reranker")
        if (part := getattr(system, name)) is not None
    }
    return system.model_copy(update=parts)


def _may_bring_code(part: Any) -> bool:
    """Whether a part loads a hub's model, with code where it is trusted."""
    model = getattr(part, "model", None)
    return (
        hasattr(part, "trust_remote_code")
        and not isinstance(part, Served)
        and isinstance(model, str)
        and not model.startswith(LOCAL)
    )
