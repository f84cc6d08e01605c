"""What a timed round does to the machine and asks of it, as it is: other tests leave both out."""

from __future__ import annotations

import gc
import weakref

import pytest

from harness.measure.machine import quiet, spin


class Node:
    """May hold itself, so that only the collector frees it."""

    held: Node


def test_no_garbage_is_collected_inside() -> None:
    def litter() -> weakref.ref[Node]:
        node = Node()
        node.held = node
        return weakref.ref(node)

    before = litter()
    with quiet():
        assert before() is None  # collected before it began
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
        inside = litter()
        assert inside() is not None
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert inside() is None


def test_the_collector_comes_back_where_a_round_breaks() -> None:
    with pytest.raises(RuntimeError), quiet():
        raise RuntimeError
    assert gc.isenabled()


def test_the_fixed_computation_takes_some_time() -> None:
    assert 0 < spin() < 60
