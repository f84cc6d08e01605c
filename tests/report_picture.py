"""The pictures in README: the first screen of the quickstart's report, in light and in dark.

python tests/report_picture.py     writes docs/quickstart/first_screen*.png, by a headless Chromium
"""

from __future__ import annotations

import sys
from pathlib import Path

import browser

FOLDER = Path(__file__).parents[1] / "docs/quickstart"
WIDTH, HEIGHT = 1000, 900
"""Pixels of the window."""

PICTURES = {"light": "first_screen.png", "dark": "first_screen_dark.png"}


def main() -> None:
    """Write both, or say that there is no Chromium."""
    executable = browser.found()
    if executable is None:
        sys.exit(f"report_picture: none of {', '.join(browser.NAMES)} is on this machine.")
    with browser.Browser(executable) as page:
        for scheme, name in PICTURES.items():
            page.show(FOLDER / "report.html", WIDTH, scheme, height=HEIGHT)
            (FOLDER / name).write_bytes(page.picture(whole=False))


if __name__ == "__main__":
    main()
