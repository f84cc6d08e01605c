"""The section on claims: those of the experiment's file of claims that its results can judge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.analysis.claims.evidence import Stored
from harness.analysis.claims.judge import counts, judge
from harness.experiment.claims_reading import load_claims
from harness.page.blocks import Block, tabled
from harness.page.tables import Table
from harness.results.store import Results

TITLE = "Claims of others"


def claim_blocks(results: Results) -> Iterator[Block]:
    """The claims that name this experiment, each with its verdict; nothing where none does."""
    named = results.plan.get("claims")
    if not named:
        return
    file = Path(named)
    if not file.is_file():
        gone = f"The file {file.name} has moved since this was run."
        yield Block(TITLE, warnings=[gone])
        return
    claims = load_claims(file)
    weights = results.plan["weights"]
    name = results.plan["experiment"].removesuffix(f"-{weights}")
    stored = Stored({(name, weights): results}, claims.datasets, Path(file.parent.name))
    mine = [one for one in claims.claims if getattr(one.evidence, "experiment", None) == name]
    if not mine:
        return
    judged = [judge(one, stored) for one in mine]
    rows = [
        [one.claim.id, one.ruling, f"{one.claim.says} ({one.claim.source})", one.evidence]
        for one in judged
    ]
    found = ", ".join(f"{count} {verdict}" for verdict, count in counts(judged).items() if count)
    caption = f"Each claim is judged alone: {found}."
    table = Table(["claim", "verdict", "claimed", "found"], rows, prose=(2, 3))
    yield tabled(TITLE, caption, table, "claims")
