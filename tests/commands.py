"""Commands in processes of their own, as a shell starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import harness

ROOT = Path(harness.__file__).parents[1]
TESTS = Path(__file__).parent


def environment(**changes: str | None) -> dict[str, str]:
    """This process's, in which the package and the fakes are found; None leaves one out."""
    paths = os.pathsep.join([str(ROOT), str(TESTS)])
    found: Mapping[str, str | None] = {**os.environ, "PYTHONPATH": paths, **changes}
    return {name: value for name, value in found.items() if value is not None}


def signals_as_usual() -> None:
    """For a child of a process whose own signals are ignored, as in the background of a shell."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)


def shell(words: str, folder: Path, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """`words` in a shell, where $H is `python -m harness`."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", words.replace("$H", f"{sys.executable} -m harness")],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(**changes),
        preexec_fn=signals_as_usual,
        timeout=120,
    )


def one_line(text: str) -> bool:
    """Whether standard error has one line of ours, and no traceback."""
    return text.startswith("harness: ") and text.count("\n") == 1 and "Traceback" not in text
