"""Files as people have them, each run as it is: read right, or refused by file, line and way out."""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from fruit import BM25, DOCS, FILES, HEADER, JUDGED, QUERIES, RUN, lines, refused, run

from harness.errors import DataError

MARK = "\ufeff"
QRELS = "data/qrels/test.tsv"
PERFECT = {"ndcg@3": 1.0, "mrr@3": 1.0, "recall@3": 1.0}
TSV = {
    "data/collection.tsv": "".join(f"{k}\t{v}\n" for k, v in DOCS.items()),
    "data/queries.tsv": "".join(f"{k}\t{v}\n" for k, v in QUERIES.items()),
    QRELS: JUDGED.replace("\td", "\t0\td"),
}
TREC = JUDGED.replace("\td", " 0 d").replace("\t", " ")


def dataset(**fields: Any) -> dict[str, Any]:
    return {"datasets": [{"use": "files", "path": "data", "name": "data", **fields}]}


def renamed(text: str, new: dict[str, str]) -> str:
    for old, name in new.items():
        text = text.replace(old, name)
    return text


READ: dict[str, tuple[dict[str, str | bytes], dict[str, Any]]] = {
    # byte order marks
    "a mark before a run": ({"run.trec": MARK + RUN}, {}),
    "a mark before qrels": ({QRELS: MARK + HEADER + JUDGED}, {}),
    "a mark before qrels without a header": ({QRELS: MARK + JUDGED}, {}),
    "a mark before the corpus": ({"data/corpus.jsonl": MARK + lines(DOCS)}, {}),
    "a mark before the queries": ({"data/queries.jsonl": MARK + lines(QUERIES)}, {}),
    "marks before TSV files": ({k: MARK + v for k, v in TSV.items()}, dataset(format="tsv")),
    "marks in packed files": (
        {
            "data/corpus.jsonl": "",
            "data/corpus.jsonl.gz": gzip.compress((MARK + lines(DOCS)).encode()),
        },
        dataset(corpus="corpus.jsonl.gz"),
    ),
    "files with a mark that were joined": (
        {"run.trec": MARK + RUN.replace("q2 Q0 d5", MARK + "q2 Q0 d5")},
        {},
    ),
    # line ends and columns
    "CRLF everywhere": ({k: v.replace("\n", "\r\n") for k, v in FILES.items()}, {}),
    "CR, as of old Macs": ({k: v.replace("\n", "\r") for k, v in FILES.items()}, {}),
    "tabs between the columns of a run": ({"run.trec": RUN.replace(" ", "\t")}, {}),
    "blanks between the columns of qrels": ({QRELS: (HEADER + JUDGED).replace("\t", "  ")}, {}),
    "tabs and blanks in TREC qrels": ({QRELS: TREC.replace(" 0 ", "\t0 ")}, dataset(format="trec")),
    "blanks around ids and grades": (
        {
            QRELS: HEADER + JUDGED.replace("\t", " \t ").replace("\n", " \n"),
            "data/corpus.jsonl": lines({f" {k}": v for k, v in DOCS.items()}),
            "data/queries.jsonl": lines({f"{k} ": v for k, v in QUERIES.items()}),
        },
        {},
    ),
    "no last line end": ({k: v.rstrip("\n") for k, v in FILES.items()}, {}),
    # headers, comments, grades
    "no header": ({QRELS: JUDGED}, {}),
    "another header": ({QRELS: "query_id\tdoc_id\trelevance\n" + JUDGED}, {}),
    "a header in capitals": ({QRELS: "Query-ID\tCorpus-ID\tScore\n" + JUDGED}, {}),
    "a header with other columns first": (
        {
            QRELS: "docno\ttopic\trel\n"
            + "".join(
                f"{d}\t{q}\t{g}\n" for q, d, g in (line.split() for line in JUDGED.splitlines())
            )
        },
        {},
    ),
    "a header before TREC qrels": (
        {QRELS: "topic iter docno rel\n" + TREC},
        dataset(format="trec"),
    ),
    "comments": ({QRELS: "# made by hand\n" + HEADER + JUDGED + "# the end\n"}, {}),
    "comments in TREC qrels": ({QRELS: "# made by hand, 2024\n" + TREC}, dataset(format="trec")),
    "grades as floats": ({QRELS: HEADER + JUDGED.replace("\n", ".0\n")}, {}),
    "judgements twice": ({QRELS: HEADER + JUDGED + JUDGED}, {}),
    # ids and other fields
    "ids as numbers": (
        {
            k: renamed(v, {f"d{i}": str(i) for i in range(1, 9)}).replace('"_id": "1"', '"_id": 1')
            for k, v in FILES.items()
        },
        {},
    ),
    "ids beyond ASCII": (
        {k: renamed(v, {"d1": "doc-ü", "q1": "質問"}) for k, v in FILES.items()},
        {},
    ),
    "a title that is null": (
        {"data/corpus.jsonl": lines(DOCS).replace('"title": ""', '"title": null')},
        {},
    ),
    "other fields": (
        {"data/corpus.jsonl": lines(DOCS).replace("{", '{"metadata": {"a": [1]}, ')},
        {},
    ),
}


@pytest.mark.parametrize("case", READ)
def test_it_is_read_as_if_it_were_written_plainly(tmp_path: Path, case: str) -> None:
    changed, keys = READ[case]
    found = run(tmp_path, changed, **keys)
    assert (found.failures, found.means()) == ({}, PERFECT)


MORE = HEADER + JUDGED
REFUSED: dict[str, tuple[dict[str, str | bytes], dict[str, Any], str]] = {
    # encodings
    "UTF-16": ({"run.trec": RUN.encode("utf-16")}, {}, r"run\.trec is not UTF-8 text: its byte order mark says UTF-16\. Save it as UTF-8"),
    "UTF-32": ({QRELS: MORE.encode("utf-32")}, {}, r"test\.tsv is not UTF-8 text: its byte order mark says UTF-32"),
    "UTF-16 without a mark": ({"run.trec": RUN.encode("utf-16-le")}, {}, r"run\.trec:1 holds a NUL byte.* UTF-16 without a byte order mark"),
    "Latin 1": (
        {"data/corpus.jsonl": lines({**DOCS, "d8": "crème brûlée"}).encode("latin-1")},
        {},
        r"corpus\.jsonl:8 is not UTF-8 text \(invalid continuation byte, byte 0xE8\): save the file as UTF-8",
    ),
    "packed without saying so": ({QRELS: gzip.compress(MORE.encode())}, {}, r"test\.tsv is packed by gzip: give it a name that ends in \.gz"),
    "cut short": (
        {"run.trec.gz": gzip.compress(RUN.encode())[:-9]},
        {"systems": [{"name": "s", "retriever": {"use": "saved_run", "path": "run.trec.gz"}}]},
        r"run\.trec\.gz cannot be read",
    ),
    # ids
    "white space in an id of qrels": ({QRELS: MORE + "q1\told doc 9\t1\n"}, {}, r"test\.tsv:8: the id 'old doc 9' contains white space"),
    "a no-break space": ({QRELS: MORE + "q1\told\u00a0doc\t1\n"}, {}, r"test\.tsv:8: the id 'old\\xa0doc' contains white space"),
    "white space in an id of the corpus": ({"data/corpus.jsonl": lines({**DOCS, "old doc": ""})}, {}, r"corpus\.jsonl:9: the id 'old doc' contains white space"),
    "white space in an id of a TSV": ({**TSV, "data/queries.tsv": "q 1\tapple\n"}, dataset(format="tsv"), r"queries\.tsv:1: the id 'q 1' contains white space"),
    "a control character": ({"data/queries.jsonl": lines({**QUERIES, "q\x014": "x"})}, {}, r"queries\.jsonl:4: the id 'q\\x014' contains the control character U\+0001"),
    "no id": ({QRELS: MORE + "q1\t\t1\n"}, {}, r"test\.tsv:8: the id '' is empty"),
    "another name for the id": ({"data/corpus.jsonl": '{"id": "d1", "text": ""}'}, {}, r"corpus\.jsonl:1: expected text under '_id', found None; the line has 'id', 'text'"),
    # columns
    "TREC qrels read as BEIR": ({QRELS: TREC}, {}, r"test\.tsv:1: expected query-id, corpus-id, score; found 4 fields: .* say `format: trec`"),
    "TREC qrels with tabs read as BEIR": ({QRELS: TREC.replace(" ", "\t")}, {}, r"test\.tsv:1: .*found 4 fields: .* say `format: trec`"),
    "BEIR qrels read as TREC": ({QRELS: JUDGED}, dataset(format="trec"), r"test\.tsv:1: .*found 3 fields: .* say `format: beir`"),
    "BEIR qrels beside TSV": ({**TSV, QRELS: JUDGED}, dataset(format="tsv"), r"test\.tsv:1: .*found 3 fields: put a column of 0 after the query"),
    "commas": ({QRELS: MORE.replace("\t", ",")}, {}, r"test\.tsv:1: .*found 1 field: put tabs in the place of the commas"),
    "a header of unknown names": ({QRELS: "a\tb\tc\n" + JUDGED}, {}, r"test\.tsv:1: the relevance 'c' is not a whole number of at most 6 digits \(a header .* query-id, corpus-id, score\)"),
    "a grade of 1.5": ({QRELS: MORE + "q1\td3\t1.5\n"}, {}, r"test\.tsv:8: the relevance '1\.5' is not a whole number"),
    "a judgement behind #": ({QRELS: MORE + "#q1\td3\t1\n"}, {}, r"test\.tsv:8: the query '#q1' is judged but not among the queries"),
    "documents before queries": ({QRELS: "d1\tq1\t1\n"}, {}, r"test\.tsv:1: the query 'd1' .* a document has this id: are the columns in another order\?"),
    "three columns of MS MARCO's run": ({"run.trec": "q1\td1\t1\n"}, {}, r"run\.trec:1: expected `query_id Q0 doc_id rank score tag`, found 3 fields"),
    "a document twice": ({"run.trec": RUN + "q1 Q0 d1 4 1.0 sys\n"}, {}, r"run\.trec:8: 'd1' occurs twice for query 'q1'"),
    # scores
    "a score beyond float32": ({"run.trec": RUN.replace("9.5", "9.5e+38")}, {}, r"run\.trec:1: the score '9\.5e\+38' does not fit float32, in which trec_eval compares"),
    "an infinite score": ({"run.trec": RUN.replace("9.5", "-inf")}, {}, r"run\.trec:1: the score '-inf' is not a finite number"),
    # nothing at all
    "an empty run": ({"run.trec": "\n\n"}, {}, r"answers none of the 3 queries .* it has no line"),
    "an empty corpus": ({"data/corpus.jsonl": ""}, {}, r"The dataset 'data' has no documents"),
    "empty qrels": ({QRELS: HEADER}, {}, r"No query of the dataset 'data' has a judgement in .*test\.tsv"),
    "a query that is not there": ({QRELS: MORE + "q77\td1\t1\n"}, {}, r"test\.tsv:8: the query 'q77' is judged but not among"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_name(tmp_path: Path, case: str) -> None:
    changed, keys, message = REFUSED[case]
    assert re.search(message, refused(tmp_path, changed, **keys))


def named(**new: str) -> dict[str, str | bytes]:
    """The files, with other ids in the qrels and the run than in the corpus and the queries."""
    return {name: renamed(FILES[name], new) for name in (QRELS, "run.trec")}


NFC, NFD = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
UNLIKE = {
    "leading zeros": ("1", "0001", "leading zeros"),
    "fewer zeros": ("007", "7", "leading zeros"),
    "NFC and NFD": (f"{NFC}1", f"{NFD}1", "their Unicode form"),
    "full width": ("a1", "\uff411", "their Unicode form"),
    "case": ("Doc1", "DOC1", "upper and lower case"),
    "a prefix": ("1", "doc-1", "a prefix"),
    "no prefix": ("MED-1", "1", "a prefix"),
    "floats": ("1", "1.0", "a `.0` at the end"),
    "quotation marks": ("d1", '"d1"', "quotation marks"),
    "punctuation": ("d_1", "d-1", "punctuation"),
    "an ending": ("a1", "a1.txt", "an ending"),
    "nothing that can be seen": ("a1", "a\u200b1", "characters that nobody sees"),
}


@pytest.mark.parametrize("case", UNLIKE)
@pytest.mark.parametrize("kind", ["document", "query", "run"])
def test_ids_that_only_look_alike_are_refused_with_an_example(
    tmp_path: Path, case: str, kind: str
) -> None:
    known, written, differ = UNLIKE[case]
    docs, queries = {known: DOCS["d1"]}, {"q1": QUERIES["q1"]}
    judged, hit = f"q1\t{known}\t1\n", f"q1 Q0 {known} 1 1.0 t\n"
    if kind == "query":
        queries = {known: QUERIES["q1"]}
        judged = f"{written}\t{known}\t1\n"
    elif kind == "document":
        judged = f"q1\t{written}\t1\n"
    else:
        hit = f"q1 Q0 {written} 1 1.0 t\n"
    changed: dict[str, str | bytes] = {
        "data/corpus.jsonl": lines(docs),
        "data/queries.jsonl": lines(queries),
        QRELS: judged,
        "run.trec": hit,
    }
    why = refused(tmp_path, changed, metrics=["ndcg@3"])
    assert f"{written!r} and {known!r} differ in {differ}" in why


def test_judgements_of_another_corpus_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"is of another corpus: .* of the 2 judged documents, such as 'MED-10': the corpus has ids such as 'd1'\. Write the ids of both alike",
    ):
        run(tmp_path, {QRELS: "q1\tMED-10\t1\nq2\tMED-10\t0\nq3\tMED-11\t1\n"})


def test_a_run_of_another_corpus_is_refused(tmp_path: Path) -> None:
    why = refused(tmp_path, {"run.trec": "q1 Q0 x 1 1.0 t\n"})
    assert (
        "run.trec is of another corpus: none, or next to none, of its 1 document, such as 'x'"
        in why
    )


def test_judgements_are_counted_once_each(tmp_path: Path) -> None:
    found = run(tmp_path, {QRELS: HEADER + "q1\td1\t1\n" + 5 * "q1\tgone\t1\n"}, systems=[BM25])
    assert (
        "1 of 2 judgements is of a document that the corpus lacks; they are kept" in found.notes()
    )
    # one of two relevant documents, at rank 1: 1 / (1 + 1 / log2(3))
    assert found.means() == pytest.approx(
        {"ndcg@3": 0.61315, "mrr@3": 1, "recall@3": 0.5}, abs=1e-5
    )


def test_a_part_of_the_ids_that_only_look_alike_is_told(tmp_path: Path) -> None:
    found = run(tmp_path, {QRELS: HEADER + JUDGED.replace("q3\td6", "q3\td06")})
    assert (
        "1 of 6 judgements is of a document that the corpus lacks ('d06' and 'd6' differ in leading "
        "zeros); they are kept"
    ) in found.notes()


def test_scores_of_a_component_beyond_float32_fail_its_trial_in_words(tmp_path: Path) -> None:
    answers = {"use": "fakes:Answers", "hits": [["d1", 9.5e38]]}
    found = run(tmp_path, systems=[{"name": "s", "retriever": answers}])
    ((_, why),) = found.failures.items()
    assert why == (
        "For query 'q1' document 'd1' has a score that does not fit float32, in which trec_eval "
        "compares: 9.5e+38 is beyond ±3.4e+38."
    )


def test_qrels_that_are_stored_are_read_again(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert json.dumps(found.results.qrels("data", "saved")["q2"]) == '{"d4": 0, "d5": 1}'
