"""How many tokens a model can read at once, by its configuration, and which lengths go beyond that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.components.models import references
from harness.components.protocols import FitsModel
from harness.errors import InputError, ModelError
from harness.files.disk import read_json

FROM_PADDING = {
    *("bridgetower_text_model", "camembert", "data2vec-text", "ibert", "layoutlmv3", "lilt"),
    *("longformer", "luke", "markuplm", "mluke", "mpnet", "roberta", "roberta-prelayernorm"),
    *("xlm-roberta", "xlm-roberta-xl", "xmod"),
}
"""Kinds of models that count positions from padding_idx + 1, as `create_position_ids_from_input_ids`
of transformers does, so that the first rows of their table are never read."""

PADDING_INDEX = 1
"""Where a configuration of these kinds does not say it."""

RELATIVE = {"longt5", "mt5", "switch_transformers", "t5", "umt5", "xlnet"}
"""Kinds of models that know distances and no positions: they read on, beyond what they were trained
on."""

NAMES = ("max_position_embeddings", "n_positions")
"""What the number of positions is called."""

NO_LIMIT = 1_000_000
"""Tokens where neither configuration nor tokenizer names a limit."""


class Positions(NamedTuple):
    """What a configuration says of positions."""

    most: int | None
    """Tokens that have one; None where it does not say."""
    firm: bool
    """Whether nothing beyond them can be read."""


def of(config: Mapping[str, Any]) -> Positions:
    """By the content of a config.json."""
    held = {**config, **(config.get("text_config") or {})}
    kind = str(held.get("model_type", ""))
    count = next((held[name] for name in NAMES if isinstance(held.get(name), int)), None)
    relative = (
        kind in RELATIVE
        or held.get("position_embedding_type") == "alibi"
        or (kind.startswith("deberta") and held.get("position_biased_input") is False)
    )
    if count is None or count < 1:
        return Positions(None, firm=False)
    if kind in FROM_PADDING:
        first = held.get("pad_token_id")
        count -= (PADDING_INDEX if first is None or kind == "mpnet" else first) + 1
    return Positions(count, firm=not relative)


def configuration(folder: Path) -> Mapping[str, Any]:
    """The content of the transformer's config.json in a model's folder; empty without one."""
    modules = read_json(folder / "modules.json") or [{}]
    config: Mapping[str, Any] = read_json(folder / modules[0].get("path", "") / "config.json")
    return config


def known(model: Any, file: str | None = None) -> Mapping[str, Any]:
    """The configuration of a model, or of what it is trained from; empty where it is not here."""
    reference = model if isinstance(model, str) else model.train.base
    try:
        found = references.find(reference, file)
    except InputError:  # the plan tells
        return {}
    return configuration(found.folder) if found else {}


def beyond(
    model: Any, lengths: Mapping[str, int | None], file: str | None = None, named: str = "model"
) -> dict[str, str]:
    """By name what is wrong with those of `lengths` that the model cannot read.

    And under `named`, the name of the setting, what is wrong with a reference that names no model.
    """
    asked = {name: length for name, length in lengths.items() if length is not None}
    wrong = {name: f"{n} is below 1" for name, n in asked.items() if n < 1}
    if isinstance(model, str) and (fault := references.reference_fault(model)):
        return {**wrong, named: fault}
    if not asked:
        return wrong
    count, firm = of(known(model, file))
    if firm and count is not None:
        wrong |= {name: _too_long(n, count) for name, n in asked.items() if n > count}
    return wrong


def _too_long(length: int, count: int) -> str:
    return (
        f"{length:,} is more than the model's {count:,} positions, and it can read nothing beyond "
        f"them: say {count} or less"
    )


def check(component: FitsModel) -> None:
    """Raise ModelError for a setting that the component's model cannot do."""
    faults = [f"{name}: {wrong}" for name, wrong in component.misfits().items()]
    if faults:
        model = getattr(component, "model", None) or getattr(component, "base", None)
        raise ModelError(f"The model {model!r} cannot do what is asked of it. {'; '.join(faults)}.")


def usable(limit: float | None, config: Mapping[str, Any]) -> int:
    """Tokens that a model reads where its files name the `limit`: never more than have a position."""
    count, _ = of(config)
    return int(min(limit or NO_LIMIT, count or NO_LIMIT, NO_LIMIT))
