"""Every module that decides scores or times has a version in harness/experiment/versions.json, and a digest.

`python tests/component_digests.py --write` writes the digests as the modules stand now. Where scores
change, raise the module's `version` there first: its results, and those of all that lean on it, are
then made anew. Comments, docstrings and layout are not in a digest.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from test_architecture import FILES, MODULES, imports, module

from harness.components.registry import KINDS, names
from harness.data import digest
from harness.experiment.code_versions import VERSIONS, normal

ROOTS = (
    *(f"harness.components.{kind}.{name}" for kind in KINDS for name in names(kind)),
    *(
        "harness.pipeline.stages",
        "harness.components.subset",
        "harness.components.models.trained",
        "harness.pipeline.embedding_cache",
    ),
    *("harness.results.metrics", "harness.results.derived_rankings"),
    *("harness.training.examples", "harness.training.loop"),
    *("harness.training.cross_encoder", "harness.training.late_interaction"),
    *(
        "harness.measure.latency.study",
        "harness.measure.load.study",
        "harness.measure.storage.study",
    ),
)
"""What a key names by itself; the rest is what these lean on."""

NEUTRAL = frozenset(
    f"harness.{name}"
    for name in (
        *(
            "errors",
            "components.protocols",
            "components.abilities",
            "files.disk",
            "components.models.catalogue",
            "components.models.checkpoints",
            "components.models.hub",
            "pipeline.rerank_journal",
            "components.requirements",
        ),
        *(
            "components.registry",
            "experiment.provenance",
            "cli.progress",
            "experiment.schema",
            "experiment.plan",
            "results.store",
            "results.tables",
        ),
        *(
            "experiment.code_versions",
            "components.hardware.limits",
            "experiment.result_folders",
            "components.vectors.sparse_index",
            "components.models.references",
            "pipeline.stage_runner",
            "experiment.keys",
            "results.costs",
        ),
        *(
            "files.digests",
            "files.locks",
            "results.whole_folders",
            "results.trials",
            "files.temporary",
        ),
    )
) | {"harness"}
"""Modules that find, check, tell and store, and compute neither scores nor times."""


def leans_on(name: str) -> list[str]:
    """The modules of ours that a module reaches, without those that compute nothing."""
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        new = (imports(ahead.pop()) & MODULES.keys()) - seen - NEUTRAL - {name}
        seen |= new
        ahead += new
    return sorted(seen)


def table() -> dict[str, dict[str, Any]]:
    """What versions.json must hold; a version is the one that it holds, or 1."""
    before = json.loads(VERSIONS.read_text(encoding="utf-8")) if VERSIONS.exists() else {}
    leaning = {name: leans_on(name) for name in ROOTS}
    listed = sorted({*ROOTS, *(one for names in leaning.values() for one in names)})
    sources = {module(file): file.read_text(encoding="utf-8") for file in FILES}
    return {
        name: {
            "version": before.get(name, {}).get("version", 1),
            "digest": digest([normal(sources[name])])[:16],
            "with": leaning.get(name, []),
        }
        for name in listed
    }


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(__doc__)
    VERSIONS.write_text(json.dumps(table(), indent=1) + "\n", encoding="utf-8")
