"""Results for other programs: runs as TREC files, tables as Parquet, leaderboards as text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from harness.analysis.quality.page import leaderboard_table
from harness.experiment.result_folders import slug
from harness.files import disk, spreadsheet, trec
from harness.page.tables import Table, markdown
from harness.page.text import unique
from harness.results.derived_rankings import OF_ORDER
from harness.results.store import Results

TABLES = ("trials", "measurements", "timings", "storage")
"""Of results; readings and those of cost come beside them."""

LATEX: Mapping[str, str] = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{c: f"{{{c}}}" for c in "[]*"},  # after a line's end these are LaTeX's own
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "-": "{-}",
}
"""How characters that LaTeX acts on, or joins to others, are written."""


def export(results: Results, board: pd.DataFrame, folder: Path) -> list[Path]:
    """Write everything below `folder`; returns the files.

    `board` is the leaderboard. Raises StoreError for a stored run that is damaged.
    """
    written: list[Path] = []

    def write(name: str, content: str | bytes) -> None:
        disk.write(folder / name, content)
        written.append(folder / name)

    for name, text in leaderboards(board, results.plan["metrics"]).items():
        write(name, text)
    for name, text in _trec(results):
        write(name, text)
    for name, table in {
        **{name: getattr(results, name) for name in TABLES},
        "readings": results.readings(*results.plan["metrics"], *OF_ORDER),
        **results.costs,
    }.items():
        packed = io.BytesIO()
        table.to_parquet(packed, index=False)
        write(f"tables/{name}.parquet", packed.getvalue())
    return written


def _trec(results: Results) -> Iterator[tuple[str, str]]:
    """Every stored run and the judgements beside it, by the names of their files."""
    taken: set[str] = set()
    for entry in results.plan["trials"]:
        dataset, system = entry["dataset"], entry["system"]
        if (dataset, system) not in results.facts:
            continue
        run, own = results.run(dataset, system), str(entry["folder"]).partition("/")[0]
        name = f"runs/{own}/{slug(system)}"
        name += f"--{entry['key'][:12]}" * (name.casefold() in taken)
        yield f"{unique(name, taken)}.trec", trec.run_text(run, system)
        qrels = f"qrels/{own}.qrels"
        if qrels not in taken:
            taken.add(qrels)
            with disk.open_text(results.file(dataset, system, "qrels.trec.gz")) as lines:
                yield qrels, lines.read()


def leaderboards(board: pd.DataFrame, metrics: Sequence[str]) -> dict[str, str]:
    """The leaderboard as CSV, LaTeX and Markdown, by the names of their files."""
    parts = {
        str(dataset): leaderboard_table(rows, metrics)
        for dataset, rows in board.groupby("dataset", sort=False)
    }
    return {
        "leaderboard.csv": spreadsheet.csv_text(board),
        "leaderboard.tex": _latex(parts),
        "leaderboard.md": _markdown(parts),
    }


def _latex(parts: Mapping[str, Table]) -> str:
    """A table for the package booktabs, a group of rows a dataset."""
    if not parts:
        return "% Quality was not measured.\n"
    columns = next(iter(parts.values())).columns
    head = " & ".join(map(latex, ["dataset", *columns]))
    lines = [
        "% \\usepackage{booktabs}; means over queries with 95 % intervals",
        f"\\begin{{tabular}}{{ll{'r' * (len(columns) - 1)}}}",
        "\\toprule",
        f"{head} \\\\",
    ]
    for dataset, table in parts.items():
        lines.append("\\midrule")
        lines += [f"{' & '.join(map(latex, [dataset, *row]))} \\\\" for row in table.rows]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def latex(text: object) -> str:
    """`text` on one line with everything escaped that LaTeX would act on."""
    line = " ".join(str(text).split())
    escaped = "".join(LATEX.get(c, c) for c in line if c.isprintable())
    return re.sub(r"(?<=[\w}]) (?=\{\[\})", "~", escaped)  # a value stays with its interval


def _markdown(parts: Mapping[str, Table]) -> str:
    lines = []
    for dataset, table in parts.items():
        marks = ["--:" if kind == "number" else ":--" for kind in table.kinds()]
        rows = [list(map(markdown, row)) for row in (table.columns, *table.rows)]
        rows.insert(1, marks)
        lines += [f"**{markdown(dataset)}**", "", *(f"| {' | '.join(row)} |" for row in rows), ""]
    return "\n".join(lines) if lines else "Quality was not measured.\n"
