"""Told at the end of `make test-hostile`: what each kind of input came to."""

from __future__ import annotations

import os

import pytest
from mutations import TABLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if "HOSTILE_EXAMPLES" not in os.environ:
        return
    terminalreporter.write_sep("=", "hostile inputs")
    for kind, told in sorted(TABLE.items()):
        terminalreporter.write_line(
            f"{kind}: {told.examples:,} tried, {told.refused:,} refused, {told.tracebacks} tracebacks, "
            f"{told.slow} over 5 s, {told.large} over 500 MB"
        )
