"""What the terminal lists: a plan, components, models, and what is installed."""

from __future__ import annotations

import dataclasses
import importlib.util
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.components import registry, requirements, support_matrix
from harness.components.models import references
from harness.components.models.catalogue import Kind, Model, catalogue
from harness.errors import ModelError, PackageError
from harness.experiment.provenance import machine_words, provenance
from harness.files import digests
from harness.page.terminal import WIDTH, paragraph
from harness.page.text import counted

if TYPE_CHECKING:
    from harness.experiment.plan import Plan
    from harness.results.store import Store


def plan_text(plan: Plan, store: Store, cache: Path) -> str:
    """The tree of stages: what is done, what is cached, what must be downloaded."""
    pending = {trial.folder for trial in store.pending(plan)}
    lines = [*paragraph(plan.experiment.question), ""]
    shown: set[str] = set()
    for trial in plan.trials:
        state = "to do" if trial.folder in pending else "done"
        if trial.random_weights:
            state = "quality is not measured, its weights are random"
        lines += paragraph(f"{trial.dataset.name} / {trial.system.name}: {state}")
        for training in trial.trainings:
            there = references.is_trained(training.reference)
            told = f"  train a {training.training.makes} [{training.key[:12]}]: "
            lines.append(told + ("cached" if there else "to do"))
        for stage in () if trial.random_weights else trial.stages:
            use = registry.config_of(stage.component)["use"]
            if stage.key in shown:
                note = "shared with a system above"
            elif digests.is_whole(cache / "runs" / stage.key[:32]):
                note = "cached"
            else:
                note = "to do" if trial.folder in pending else "done"
            shown.add(stage.key)
            lines.append(f"  {stage.kind} {use}, depth {stage.depth} [{stage.key[:12]}]: {note}")
    costings = {one.folder for one in store.pending_costings(plan)}
    for one in plan.costings():
        left_out = store.left_out(one)
        state = "done" if one.folder not in costings else "to do again" if left_out else "to do"
        told = f"{one.dataset.name} / {one.kind} of {counted(len(one.trials), 'system')}: {state}"
        lines += paragraph("; ".join([told, *_lacks(left_out or {})]))
    trials = sum(not trial.random_weights for trial in plan.trials)
    lines += [
        "",
        *_model_lines(plan.models()),
        f"{len(pending)} of {counted(trials, 'trial')} to do.",
    ]
    return "\n".join(lines)


def _lacks(left_out: Mapping[str, str]) -> Iterator[str]:
    """What a measurement that is stored does not have."""
    for system, reason in left_out.items():
        yield f"without {system}: {reason}"


def _model_lines(wanted: Iterable[references.Wanted]) -> list[str]:
    lines = []
    for one in wanted:
        try:
            found = references.find(*one)
        except (ModelError, PackageError) as error:
            lines += paragraph(str(error))
        else:
            lines.append(f"model {one}: {'here' if found else 'must be downloaded'}")
    return lines


KINDS = (*registry.KINDS, "models", "systems")
"""What can be listed."""


def kind_text(kind: str) -> str:
    """All of a kind: components, known models, or systems that could be deployed."""
    if kind == "models":
        return models_text()
    return support_matrix.text(WIDTH) if kind == "systems" else components_text(kind)


def components_text(kind: str) -> str:
    """The components of a kind with their settings."""
    lines = [f"{kind}:"]
    for name in registry.names(kind):
        cls = registry.component_class(kind, name)
        summary = (cls.__doc__ or "").strip().splitlines()[0]
        lines += textwrap.wrap(
            f"{name}: {summary}", WIDTH, initial_indent="  ", subsequent_indent="    "
        )
        settings = [_setting(field) for field in dataclasses.fields(cls)]
        lines += textwrap.wrap(
            ", ".join(settings), WIDTH, initial_indent="    ", subsequent_indent="    "
        )
    return "\n".join(lines)


def _setting(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return f"{field.name} (required)"
    return f"{field.name}={field.default!r}"


MODEL_KINDS: dict[Kind | None, str] = {
    "cross_encoder": "cross-encoder",
    "encoder": "encoder, one vector a text",
    "token_encoder": "late-interaction encoder, one vector a token",
}


def models_text() -> str:
    """The models of the catalogue: what they are, what they cost, what they may be used for."""
    lines = ["models:"]
    for reference, model in catalogue().items():
        lines.append(f"  {reference}")
        for fact in _model_facts(model):
            lines += textwrap.wrap(
                fact,
                WIDTH,
                initial_indent="    ",
                subsequent_indent="      ",
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def _model_facts(model: Model) -> list[str]:
    """A line on each side of a model; what no source states is named as not known."""
    kind = MODEL_KINDS.get(model.kind, "kind not known")
    facts = [
        f"{kind}; parameters: {_number(model.parameters)}",
        *([] if model.kind == "cross_encoder" else [_dims(model)]),
        _lengths(model),
        f"{_licence(model)}{'; runs code of its own' if model.remote_code else ''}",
    ]
    if model.architecture is None:
        facts.append("its architecture is not known here: no `--weights dummy`")
    return [*facts, *([model.note] if model.note else [])]


def _number(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"


def _dims(model: Model) -> str:
    trained = {True: "Matryoshka", False: "not Matryoshka", None: "Matryoshka or not: not known"}
    return f"dims: {', '.join(map(str, model.dims)) or 'not known'} ({trained[model.matryoshka]})"


def _lengths(model: Model) -> str:
    if model.kind != "token_encoder":
        return f"tokens read: {_number(model.max_length)}"
    query, document = _number(model.query_length), _number(model.document_length)
    return f"tokens kept of a query: {query}, of a document: {document}"


def _licence(model: Model) -> str:
    allowed = {True: "commercial use allowed", False: "no commercial use", None: "use not known"}
    return f"licence {model.licence or 'not known'}, {allowed[model.commercial]}"


def doctor_text() -> str:
    """Machine, packages, and what is missing with the way to get it."""
    known = provenance()
    lines = [
        f"harness {known['harness']} ({known['revision'] or 'not a checkout'})",
        f"Python {known['python']}",
        *paragraph(machine_words(known["machine"])),
        f"accelerator: {_accelerator()}",
        "",
    ]
    missing = []
    for package, extra in requirements.EXTRAS.items():
        there = importlib.util.find_spec(package) is not None
        lines.append(f"  {package}: {'installed' if there else f'missing (extra {extra})'}")
        missing += [] if there else [package]
    return "\n".join(
        [*lines, requirements.install_line(missing) if missing else "Nothing is missing."]
    )


def _accelerator() -> str:
    if importlib.util.find_spec("torch") is None:
        return "not known without torch"
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return "mps" if torch.backends.mps.is_available() else "none"
