from __future__ import annotations

from harness.page.blocks import Block, Figure, Section, anchored, figures


def test_anchors_are_plain_and_differ() -> None:
    blocks = [Block("p (Holm)"), Block("P, Holm"), Block("漢字"), Block("a", anchor="how-a")]
    one, other = anchored([Section("On <x>", blocks), Section("on x", [], "on-x")])
    assert (one.anchor, other.anchor) == ("on-x", "on-x-3")
    assert [block.anchor for block in one.blocks] == [
        *("on-x-p-holm", "on-x-p-holm-2", "on-x-2", "how-a"),
    ]


def test_figures_of_alike_names_have_files_of_their_own() -> None:
    alike = [Block("a", figures=[Figure("forest-x", "one", "<svg/>")])] * 2
    sections = anchored([Section("s", alike)])
    assert [shown.name for shown in figures(sections)] == ["forest-x", "forest-x-2"]
