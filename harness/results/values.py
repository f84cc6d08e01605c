"""Tables with rows a query on disk: Parquet, of whose columns only those asked for are read."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.files import digests, disk
from harness.results import columns
from harness.results.whole_folders import AGAIN

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TEXTS = ("reading", "query_id")

KEYS = ("depth", *TEXTS)
"""Columns that are no metric."""


def write(file: Path, table: pd.DataFrame) -> None:
    """Put a table into a file, the same bytes for the same table; raises StoreError if it cannot."""
    from pyarrow import parquet

    packed = io.BytesIO()
    parquet.write_table(bare(table), packed, compression="zstd")
    disk.write(file, packed.getvalue())


def bare(table: pd.DataFrame) -> pa.Table:
    """The columns of a table with TEXTS as codes, and nothing of pandas."""
    import pyarrow as pa

    found = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
    for i, name in enumerate(found.column_names):
        if name in TEXTS:
            codes = found[name].cast(pa.string()).dictionary_encode()
            found = found.set_column(i, name, codes)
    return found


def read(file: Path, wanted: Collection[str] | None = None) -> pa.Table:
    """What `write` gave, to the last bit: KEYS, and the columns `wanted` or all.

    Raises StoreError for a file that cannot be read.
    """
    from pyarrow import parquet

    try:
        with digests.reading(file), parquet.ParquetFile(file) as opened:
            names = opened.schema_arrow.names
            asked = names if wanted is None else {*KEYS, *wanted}
            return opened.read([name for name in names if name in asked])
    except ValueError as error:
        raise StoreError(f"{file} cannot be read: {error}. {AGAIN}") from error


def a_row_a_value(name: str, parts: Mapping[tuple[str, str], pa.Table]) -> pd.DataFrame:
    """A table of `columns` that is stored by dataset and system.

    Rows stand in the order of `parts` and of theirs. Texts are categories, in the order of texts.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    names = list(getattr(columns, name.upper()))
    filled = [
        _of_trial(part, {"dataset": dataset, "system": system})
        for (dataset, system), part in parts.items()
        if len(part)
    ]
    if not filled:
        return pd.DataFrame(columns=names)
    whole = pa.concat_tables(filled, promote_options="default").unify_dictionaries().to_pandas()
    metrics = [column for column in whole if column not in names]
    values = whole[metrics].to_numpy(dtype=np.float64)
    known = ~np.isnan(values)
    rows, of_metric = np.nonzero(known)
    table = {column: whole[column].array.take(rows) for column in whole if column in names}
    table["metric"] = pd.Categorical.from_codes(of_metric, metrics)
    for column in table.keys() - {"depth"}:
        texts = table[column].categories
        table[column] = table[column].reorder_categories(sorted(texts))
    return pd.DataFrame({**table, "value": values[known]})[names]


def _of_trial(part: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """With a column more for each of `names`."""
    import numpy as np
    import pyarrow as pa

    for name, text in names.items():
        same = pa.DictionaryArray.from_arrays(np.zeros(len(part), np.int32), [text])
        part = part.append_column(name, same)
    return part
