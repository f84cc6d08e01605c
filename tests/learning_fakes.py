"""A dataset that has no training queries, named in experiments as `use: learning_fakes:NoTraining`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.data import Dataset


@dataclass(frozen=True)
class NoTraining:
    """A source of the old kind."""

    def identity(self) -> Mapping[str, str]:
        return {}

    def label(self) -> str:
        return "plain"

    def load(self) -> Dataset:
        raise NotImplementedError
