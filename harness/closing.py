"""What the terminal says, at most 79 columns wide: summaries, plans, lists."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import models, registry
from harness.catalogue import Kind as ModelKind
from harness.catalogue import Model, catalogue
from harness.clock import Kind
from harness.errors import ModelError, PackageError
from harness.provenance import provenance

if TYPE_CHECKING:
    from harness.analysis.compare import Analysis
    from harness.execute import Execution
    from harness.plan import Plan
    from harness.store import Store

WIDTH = 79

NAME = 33
"""Characters of a system's name that are shown beside its mode."""

OUTSIDE: dict[Kind, str] = {
    "load": "loading models and their libraries",
    "data": "reading the dataset",
    "search": "indexing and searching",
    "measure": "measuring",
    "cost": "measuring latency and storage",
    "report": "writing the report",
    "other": "everything else",
}


def as_text(analysis: Analysis, execution: Execution, report: Path) -> str:
    """The closing lines of a run."""
    lines = [
        *_leaderboard_lines(analysis, execution.plan.experiment.metrics),
        *_cost_lines(analysis),
        *_paragraph(analysis.answer),
        *(line for said in analysis.loads.capacities["said"] for line in ["", *_paragraph(said)]),
        *_decision_lines(analysis),
        "",
    ]
    lines += [
        line
        for (dataset, system), reason in execution.failures.items()
        for line in _paragraph(f"FAILED {system} on {dataset}: {reason}")
    ]
    return "\n".join([*lines, _time_line(execution), f"Report: {report}"])


def as_json(analysis: Analysis, execution: Execution, report: Path) -> str:
    """The closing lines of a run, for programs."""
    content = {
        "answer": analysis.answer,
        "decision": {
            name: getattr(analysis.decision, name)
            for name in ("answer", "system", "headline", "reasons", "flips")
        },
        "leaderboard": json.loads(analysis.leaderboard.to_json(orient="records")),
        "seconds_per_query": json.loads(analysis.costs.end_to_end.to_json(orient="records")),
        "failures": [
            {"dataset": dataset, "system": system, "reason": reason}
            for (dataset, system), reason in execution.failures.items()
        ],
        "seconds": execution.clock.seconds(),
        "report": str(report),
    }
    return json.dumps(content, indent=1)


def _decision_lines(analysis: Analysis) -> list[str]:
    """What to do, and the first reason."""
    decision = analysis.decision
    first = next(iter(decision.reasons), "")
    return ["", *_paragraph(f"Decision: {decision.headline} {first}")]


def _leaderboard_lines(analysis: Analysis, metrics: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for dataset, group in analysis.leaderboard.groupby("dataset", sort=False):
        values = group.pivot_table(index="system", columns="metric", values="value", sort=False)
        count = int(group["queries"].max())
        rows = [["", *metrics]]
        rows += [
            [str(name), *(f"{values.loc[name, m]:.4f}" for m in metrics)] for name in values.index
        ]
        lines += ["", *_paragraph(f"{dataset}, {count} queries"), *columns(rows)]
        lines += [line for note in analysis.notes[str(dataset)] for line in _paragraph(note)]
    return [*lines, ""]


def _cost_lines(analysis: Analysis) -> list[str]:
    """The whole query's latency: a row a system and mode, a column for each k."""
    from harness.analysis.answer import milliseconds

    lines: list[str] = []
    table = analysis.costs.end_to_end
    table = table[
        table["p50"].notna() & ((table["timed_as"] == "") | (table["mode"] == "retrieve"))
    ]
    for (dataset, device), group in table.groupby(["dataset", "device"], sort=False):
        sizes = sorted(set(group.loc[group["mode"] != "retrieve", "k"]))
        rows = [["", *(f"k={size}" for size in sizes or ["any"])]]
        for (system, mode), arm in group.groupby(["system", "mode"], sort=False):
            cells = {
                row.k: f"~{milliseconds(row.p50)}"
                if row.status == "predicted"
                else f"{milliseconds(row.p50)} / {milliseconds(row.p95)}"
                for row in arm.itertuples()
            }
            if mode == "retrieve":
                cells = dict.fromkeys(sizes or ["any"], next(iter(cells.values())))
            rows.append(
                [
                    f"{short(str(system), NAME)}, {mode}",
                    *(cells.get(k, "-") for k in sizes or ["any"]),
                ]
            )
        told = f"{dataset} on {device}: ms of a whole query, median / p95 (~ predicted)"
        lines += [*_paragraph(told), *columns(rows), ""]
    return lines


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with the first column to the left and cut to fit, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rest = sum(widths[1:]) + 2 * len(widths[1:])
    first = min(widths[0], max(WIDTH - 2 - rest, 8))
    return [
        "  "
        + short(row[0], first).ljust(first)
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]


def short(text: str, width: int) -> str:
    """`text` without its middle where it is too long: names made by `vary` differ at the end."""
    end = (width - 1) // 2
    return text if len(text) <= width else f"{text[: width - 1 - end]}…{text[-end:]}"


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False) or [""]


def _time_line(execution: Execution) -> str:
    seconds = execution.clock.seconds()
    total = sum(seconds.values())
    shares = [
        f"{seconds[kind] / total:.1%} {name}"
        for kind, name in OUTSIDE.items()
        if seconds.get(kind, 0) >= total / 1000
    ]
    outside = 1 - seconds.get("model", 0) / total
    told = f"Time: {total:.1f} s, {outside:.1%} of it outside model calls: {', '.join(shares)}."
    return "\n".join(_paragraph(told))


def plan_text(plan: Plan, store: Store, cache: Path) -> str:
    """The tree of stages: what is done, what is cached, what must be downloaded."""
    pending = {trial.folder for trial in store.pending(plan)}
    lines = [*_paragraph(plan.experiment.question), ""]
    shown: set[str] = set()
    for trial in plan.trials:
        state = "to do" if trial.folder in pending else "done"
        if trial.random_weights:
            state = "quality is not measured, its weights are random"
        lines += _paragraph(f"{trial.dataset.name} / {trial.system.name}: {state}")
        for stage in () if trial.random_weights else trial.stages:
            use = registry.config_of(stage.component)["use"]
            if stage.key in shown:
                note = "shared with a system above"
            elif (cache / "runs" / stage.key[:32]).exists():
                note = "cached"
            else:
                note = "to do" if trial.folder in pending else "done"
            shown.add(stage.key)
            lines.append(f"  {stage.kind} {use}, depth {stage.depth} [{stage.key[:12]}]: {note}")
    costings = {one.folder for one in store.pending_costings(plan)}
    for one in plan.costings():
        state = "to do" if one.folder in costings else "done"
        lines.append(f"{one.dataset.name} / {one.kind} of {len(one.trials)} systems: {state}")
    trials = sum(not trial.random_weights for trial in plan.trials)
    lines += ["", *_model_lines(plan.models()), f"{len(pending)} of {trials} trials to do."]
    return "\n".join(lines)


def _model_lines(wanted: Iterable[models.Wanted]) -> list[str]:
    lines = []
    for one in wanted:
        try:
            found = models.find(*one)
        except (ModelError, PackageError) as error:
            lines += _paragraph(str(error))
        else:
            lines.append(f"model {one}: {'here' if found else 'must be downloaded'}")
    return lines


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


MODEL_KINDS: dict[ModelKind | None, str] = {
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
    machine = known["machine"]
    lines = [
        f"harness {known['harness']} ({known['revision'] or 'not a checkout'})",
        f"Python {known['python']}, {machine['system']}",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB",
        f"accelerator: {_accelerator()}",
        "",
    ]
    missing = []
    for package, extra in registry.EXTRAS.items():
        there = importlib.util.find_spec(package) is not None
        lines.append(f"  {package}: {'installed' if there else f'missing (extra {extra})'}")
        missing += [] if there else [package]
    return "\n".join([*lines, registry.install_line(missing) if missing else "Nothing is missing."])


def _accelerator() -> str:
    if importlib.util.find_spec("torch") is None:
        return "not known without torch"
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return "mps" if torch.backends.mps.is_available() else "none"
