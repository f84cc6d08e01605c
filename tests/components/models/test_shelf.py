"""What stays in memory, what gives way, and how much each thing takes."""

from __future__ import annotations

import weakref

import pytest

from harness.components.models import shelf
from harness.errors import ModelError
from harness.measure import machine


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An empty memory for models; what is made is noted here."""
    monkeypatch.setattr(shelf, "_SHELF", shelf._Shelf())
    return []


def use(made: list[str], names: str) -> None:
    for name in names:

        def make(name: str = name) -> str:
            made.append(name)
            return name.upper()

        assert shelf.loaded(name, make) == name.upper()


def test_two_models_are_kept_and_the_unused_one_gives_way(made: list[str]) -> None:
    use(made, "abab")
    assert made == ["a", "b"]
    use(made, "acab")  # b was unused for longest when c came
    assert made == ["a", "b", "c", "b"]


def test_more_are_kept_for_a_time(made: list[str]) -> None:
    with shelf.keep(3), shelf.keep(1):  # 1 inside 3 takes nothing away
        use(made, "abcabc")
        assert made == ["a", "b", "c"]
    use(made, "bc")
    assert made == ["a", "b", "c"]
    use(made, "a")
    assert made == ["a", "b", "c", "a"]


def test_forgotten_models_are_made_again(made: list[str]) -> None:
    use(made, "a")
    shelf.forget()
    use(made, "a")
    assert made == ["a", "a"]


def test_model_that_cannot_be_made_leaves_no_trace(made: list[str]) -> None:
    def fail() -> None:
        raise ModelError("no weights")

    with pytest.raises(ModelError, match="no weights"):
        shelf.loaded("a", fail)
    use(made, "a")
    assert made == ["a"]


def test_all_but_some_give_way(made: list[str]) -> None:
    with shelf.keep(3):
        use(made, "abc")
        shelf.only({"b", "x"})
        assert shelf.missing(["a", "b", "x"]) == ["a", "x"]
        use(made, "abc")
    assert made == ["a", "b", "c", "a", "c"]


def test_what_is_made_is_weighed_and_what_is_asked_for_noted(made: list[str]) -> None:
    used = [0.0]

    def model() -> str:
        used[0] += 5
        return "model"

    def prepared() -> str:
        used[0] += 1
        return f"{shelf.loaded('model', model)} with documents"

    use(made, "a")
    with shelf.watched(lambda: used[0]) as watch:
        shelf.loaded("prepared", prepared)
        shelf.loaded("model", model)
        assert watch.sizes == {"prepared": 1, "model": 5}
        assert watch.asked == {"prepared", "model"}
    use(made, "b")
    assert watch.asked == {"prepared", "model"}


def test_models_that_hold_themselves_are_gone_when_they_gave_way(made: list[str]) -> None:
    class Circle:
        def __init__(self) -> None:
            self.me = self

    gone = weakref.ref(shelf.loaded("a", Circle))
    with machine.quiet():  # where the collector waits
        shelf.loaded("b", Circle)
        assert gone() is not None
        shelf.forget()
        assert made == []
    assert gone() is None
