"""Seconds that pass where a test says so, and not where other work keeps the machine busy."""

from __future__ import annotations

import numpy as np


class Clock:
    """Simulated seconds, so that no other work on the machine is in them."""

    def start_again(self) -> None:
        self.nanoseconds = 0
        self.drawn = np.random.default_rng(0)

    def work(self, seconds: float) -> None:
        """A machine's noise: a tenth up or down, and one call in fifty that takes four times as long."""
        slow = 4 if self.drawn.random() < 0.02 else 1
        self.nanoseconds += int(1e9 * seconds * slow * self.drawn.lognormal(0, 0.1))

    def now(self) -> int:
        self.nanoseconds += 100  # for what stands between two looks
        return self.nanoseconds


CLOCK = Clock()
