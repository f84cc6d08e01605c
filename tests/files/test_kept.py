"""What is made once below the cache: whole, checked, and made again where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.files import kept, temporary


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(temporary.CACHE, str(tmp_path))
    return tmp_path


def fill(folder: Path) -> None:
    (folder / "a").write_text("whole")


def fail(folder: Path) -> None:
    (folder / "a").write_text("half")
    raise ValueError("stopped")


def test_it_is_made_once(cache: Path) -> None:
    assert kept.folder("things", "k", fill) == cache / "things" / "k"
    assert kept.folder("things", "k", fail).joinpath("a").read_text() == "whole"


def test_the_cache_of_the_work_at_hand_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run says where it lies without a word in the environment."""
    monkeypatch.delenv(temporary.CACHE, raising=False)
    with temporary.below(tmp_path):
        assert kept.folder("things", "k", fill) == tmp_path / "things" / "k"


def test_what_was_not_finished_is_not_there(cache: Path) -> None:
    with pytest.raises(ValueError, match="stopped"):
        kept.folder("things", "k", fail)
    assert list((cache / "things").iterdir()) == []


@pytest.mark.parametrize("name", ["a", "B2SUMS"])
def test_what_is_damaged_is_set_aside_and_made_again(cache: Path, name: str) -> None:
    place = kept.folder("things", "k", fill)
    (place / name).write_text("other")
    assert kept.folder("things", "k", fill).joinpath("a").read_text() == "whole"
    assert (cache / "things" / ".damaged-k-1" / name).read_text() == "other"


def test_another_process_may_be_faster(cache: Path) -> None:
    def slow(folder: Path) -> None:
        kept.folder("things", "k", fill)
        (folder / "a").write_text("late")

    assert kept.folder("things", "k", slow).joinpath("a").read_text() == "whole"
    assert [path.name for path in (cache / "things").iterdir()] == ["k"]


def test_without_a_cache_it_goes_with_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(temporary.CACHE, raising=False)
    place = kept.folder("things", "k", fill)
    assert place.joinpath("a").read_text() == "whole"
    assert kept.folder("things", "k", fill) != place
