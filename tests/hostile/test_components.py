"""Hostile settings of every component: refused with the path of the setting, or taken."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import NUMBERS, TEXTS, share, survives

from harness.components.registry import KINDS, build, component_class, names

COMPONENTS = [(kind, name) for kind in KINDS for name in names(kind)]

SCALARS: st.SearchStrategy[Any] = (
    st.sampled_from(TEXTS)
    | st.sampled_from(NUMBERS)
    | st.none()
    | st.booleans()
    | st.just(float("nan"))
    | st.just(float("inf"))
    | st.text(max_size=5)
)

VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.sampled_from([{"use": name} for _, name in COMPONENTS]),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            st.sampled_from(("use", "model", "train", "retriever", "a")), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(data=st.data())
@share(0.1)
@pytest.mark.usefixtures("empty_hub")
def test_settings_are_refused_or_taken(data: st.DataObject) -> None:
    kind, name = data.draw(st.sampled_from(COMPONENTS))
    fields = [field.name for field in dataclasses.fields(component_class(kind, name))]
    spec = data.draw(st.dictionaries(st.sampled_from([*fields, "nothing"]), VALUES))
    faults: list[str] = []
    found = survives(
        "settings of components",
        lambda: build(
            KINDS[kind][:1], {"use": name, **spec}, "here", lambda *said: faults.append(said[0])
        ),
    )
    assert found is not None or faults
    assert all(where.startswith("here") for where in faults)
