"""What a judging model's trial showed, stored beside the judgments, and in the report from there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import StoreError
from harness.files import digests, disk
from harness.page.blocks import Block
from harness.results.store import Results

NAME = "model-judge.json"


def write(judgments: Path, model: str, sentences: Sequence[str], *, counts: bool) -> None:
    """Store what people read of a model in the folder of a dataset's judgments."""
    content = {"model": model, "counts": counts, "sentences": list(sentences)}
    text = json.dumps(digests.stamped(content), indent=1)
    disk.write(judgments / NAME, text + "\n")


def trial_blocks(results: Results) -> Iterator[Block]:
    """A part of the report for each dataset that a model judged; none where none did.

    Raises StoreError where what was stored is damaged.
    """
    folders = {one["dataset"]: Path(one["folder"]).parts[0] for one in results.plan["trials"]}
    for dataset, folder in folders.items():
        file = results.folder / folder / "judgments" / NAME
        if not file.exists():
            continue
        try:
            with disk.reading(file):
                found = digests.unstamped(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise StoreError(
                f"{file} cannot be used: {error}. Way out: delete it, and have the model judge again; "
                "what it answered costs nothing again."
            ) from error
        first, *others = found["sentences"]
        title = f"The judging model on {dataset}"
        if found["counts"]:
            yield Block(title, [first, *others])
        else:
            yield Block(title, others, [first])
