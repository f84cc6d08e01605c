"""What spares time in a command that ends within seconds."""

from __future__ import annotations

import gc
import os


def for_a_moment() -> None:
    """Prepare for a command that ends within seconds; before anything imports numpy."""
    # Threads wait for each other, on a busy machine three times as long as they work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import pandas as pd

    pd.set_option("mode.string_storage", "python")  # columns are short and read cell by cell
    gc.set_threshold(100_000)  # hardly anything that is made can go before the end
