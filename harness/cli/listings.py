"""`list` and `doctor`: components, known models and systems, and what is installed."""

from __future__ import annotations

import argparse
import importlib.util
from typing import TYPE_CHECKING

from harness.cli import exits
from harness.cli.arguments import Command
from harness.cli.streams import say
from harness.page.terminal import WIDTH, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.components.models.catalogue import Kind, Model

KINDS = ("datasets", "retrievers", "rerankers", "encoders", "models", "systems")
"""What can be listed."""

TESTED_AGAINST = (
    "A contract server is one of this project's tests: it speaks the protocol of the system and commits "
    "the faults that a server can. Tiny weights are random, in the true format."
)
"""What must be known to read the systems."""


def _add_kind(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("kind", nargs="?", choices=KINDS, help="default: the names of all")


def _list(arguments: argparse.Namespace) -> int:
    from harness.components import support_matrix

    if arguments.kind is None:
        say(_names_text())
    elif arguments.kind == "models":
        say(models_text())
    elif arguments.kind == "systems":
        say("\n".join([support_matrix.text(WIDTH), *paragraph(TESTED_AGAINST)]))
    else:
        say(_components_text(arguments.kind))
    return exits.OK


def _names_text() -> str:
    """What there is of every kind, and how to read more of it."""
    from harness.components import registry, support_matrix
    from harness.components.models.catalogue import catalogue

    names: dict[str, Iterable[str]] = {kind: registry.names(kind) for kind in registry.KINDS}
    names |= {"models": catalogue(), "systems": (one.name for one in support_matrix.known())}
    lines = [
        line for kind in KINDS for line in paragraph(f"{kind}: {'; '.join(names[kind])}", "", "  ")
    ]
    return "\n".join([*lines, "", f"Settings and facts: list {'|'.join(KINDS)}"])


def _components_text(kind: str) -> str:
    """The components of a kind with their settings."""
    import dataclasses

    from harness.components import registry

    lines = [f"{kind}:"]
    for name in registry.names(kind):
        cls = registry.component_class(kind, name)
        summary = (cls.__doc__ or "").strip().splitlines()[0]
        settings = ", ".join(
            f"{field.name} (required)"
            if field.default is dataclasses.MISSING
            else f"{field.name}={field.default!r}"
            for field in dataclasses.fields(cls)
        )
        lines += paragraph(f"{name}: {summary}", "  ", "    ")
        lines += paragraph(settings, "    ") if settings else []
    return "\n".join(lines)


MODEL_KINDS: dict[Kind | None, str] = {
    "cross_encoder": "cross-encoder",
    "encoder": "encoder, one vector a text",
    "token_encoder": "late-interaction encoder, one vector a token",
}


def models_text() -> str:
    """The models of the catalogue: what they are, what they cost, what they may be used for."""
    from harness.components.models.catalogue import catalogue

    lines = ["models:"]
    for reference, model in catalogue().items():
        lines.append(f"  {reference}")
        for fact in _model_facts(model):
            lines += paragraph(fact, "    ", "      ")
    return "\n".join(lines)


def _model_facts(model: Model) -> list[str]:
    """A line on each side of a model; what no source states is named as not known."""
    kind = MODEL_KINDS.get(model.kind, "kind not known")
    trained = {True: "Matryoshka", False: "not Matryoshka", None: "Matryoshka or not: not known"}
    dims = ", ".join(map(str, model.dims)) or "not known"
    lengths = f"tokens read: {_number(model.max_length)}"
    if model.kind == "token_encoder":
        query, document = _number(model.query_length), _number(model.document_length)
        lengths = f"tokens read of a query: {query}, of a document: {document}"
    use = {True: "commercial use allowed", False: "no commercial use", None: "use not known"}
    own_code = "; runs code of its own" if model.remote_code else ""
    no_dummy = "its architecture is not known here: no `--weights dummy`"
    facts = [
        f"{kind}; parameters: {_number(model.parameters)}",
        "" if model.kind == "cross_encoder" else f"dims: {dims} ({trained[model.matryoshka]})",
        lengths,
        f"licence {model.licence or 'not known'}, {use[model.commercial]}{own_code}",
        no_dummy if model.architecture is None else "",
        model.note,
    ]
    return list(filter(None, facts))


def _number(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"


def _doctor(arguments: argparse.Namespace) -> int:
    """Machine, packages, and what is missing with the way to get it."""
    del arguments
    from harness.components import requirements
    from harness.experiment.provenance import machine_words, provenance

    known = provenance()
    lines = [
        f"harness {known['harness']} ({known['revision'] or 'not a checkout'})",
        f"Python {known['python']}",
        *paragraph(machine_words(known["machine"])),
        f"accelerator: {_accelerator()}",
        "",
    ]
    missing = [name for name in requirements.EXTRAS if importlib.util.find_spec(name) is None]
    for package, extra in requirements.EXTRAS.items():
        state = f"missing (extra {extra})" if package in missing else "installed"
        lines.append(f"  {package}: {state}")
    last = requirements.install_line(missing) if missing else "Nothing is missing."
    say("\n".join([*lines, last]))
    return exits.OK


def _accelerator() -> str:
    if importlib.util.find_spec("torch") is None:
        return "not known without torch"
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return "mps" if torch.backends.mps.is_available() else "none"


LIST = Command(
    "list",
    "name components, known models and systems; with a kind, their settings and facts",
    _add_kind,
    _list,
)
DOCTOR = Command(
    "doctor", "show the machine, the packages and what is missing", lambda _: None, _doctor
)
