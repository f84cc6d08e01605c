"""What is said of gains and losses, and of what was not measured."""

from __future__ import annotations

import dataclasses
from typing import Any

from literal import literal

from harness.analysis.decision import gains_page
from harness.analysis.decision.gains import gains
from harness.page.blocks import Block
from harness.results.store import Results

BASE = [0.1 * (i % 5) for i in range(40)]


def above(gain: float) -> list[float]:
    return [value + gain for value in BASE]


def block(results: Results) -> Block:
    (found,) = gains_page.gain_blocks(results, gains(results, "m@1", 0.01))
    return found


def test_a_gain_a_loss_and_what_was_not_measured() -> None:
    quality: dict[str, Any] = {
        "base": BASE,
        "late[dim=8]": above(0.2),
        "late[dim=4]": above(0.1),
        "cross[layers=1]": above(-0.05),
        "cross[layers=2]": above(-0.01),
    }
    found = block(
        literal(
            quality, failed={"random[k=1]": "no weights here", "random[k=2]": "no weights here"}
        )
    )
    assert found.lines == [
        "late at 8 dimensions ranks best: 0.200 m@1 above base [+0.200, +0.200].",
        "cross, layers 1 scored 0.050 lower than base [-0.050, -0.050].",  # its greatest loss
        "random: not measured: no weights here.",
    ]
    (shown,) = found.tables
    assert shown.table.rows[0] == ["base", "0.2000", "", "baseline"]
    assert shown.table.rows[1][1:] == [
        "0.4000",
        "+0.200 [+0.200, +0.200]",
        "a gain of 0.01 or more",
    ]
    assert shown.table.rows[-1][:2] == ["random[k=2]", "not measured: no weights here"]
    heads = [group.head for group in shown.table.groups()]
    assert [head[0] for head in heads] == [
        *("base", "late (2 variants)", "cross (2 variants)", "random (2 variants)"),
    ]
    assert heads[1][1:] == ["0.3000 to 0.4000", "+0.100 to +0.200", "a gain of 0.01 or more"]


def test_a_model_that_was_trained_in_vain_is_named() -> None:
    quality = {
        "base": BASE,
        "late": above(0.2),
        "cross": above(-0.05),
        "cross[layers=2]": above(-0.01),
    }
    results = literal(quality, models={name: f"trained:{name}" for name in quality})
    facts = {
        (dataset, system): {
            **found,
            "trainings": [{"reference": f"trained:{name}"} for name in ("late", system)],
        }
        for (dataset, system), found in results.facts.items()
    }
    _, loss = block(dataclasses.replace(results, facts=facts)).lines
    assert loss == (
        "cross scored 0.050 lower than base [-0.050, -0.050]. It was trained on this collection only; "
        "this says nothing about published models of its kind."
    )


def test_where_nothing_gains() -> None:
    spread = [value + 0.01 + 0.3 * (-1) ** i for i, value in enumerate(BASE)]
    assert block(literal({"base": BASE, "late": BASE})).lines == [
        "No system ranks better than base: late differs from it in no query."
    ]
    (line,) = block(literal({"base": BASE, "late": spread})).lines
    assert line.startswith(
        "Inconclusive: 40 queries cannot tell any system from base. The nearest is late: +0.010 m@1 [-0.0"
    )
    first, *_ = block(literal({"base": BASE, "late": above(-0.1)})).lines
    assert (
        first
        == "Every system ranks worse than base; late loses least: -0.100 m@1 [-0.100, -0.100]."
    )


def test_each_dataset_by_itself() -> None:
    parts = {"x": {"base": BASE, "late": above(0.2)}, "y": {"base": BASE, "late": above(-0.1)}}
    over, each = block(literal(parts)).tables
    assert over.caption == "m@1 over 2 datasets, 80 queries, with 95 % intervals."
    assert each.table.columns == ["system", "x", "y"]
    assert each.table.rows == [["late", "+0.200 [+0.200, +0.200]", "-0.100 [-0.100, -0.100]"]]


def test_nothing_to_compare() -> None:
    found = block(literal({"late": above(0.1)}, failed={"base": "it broke"}))
    assert found.lines == ["base: not measured: it broke."]
    assert found.figures == []
