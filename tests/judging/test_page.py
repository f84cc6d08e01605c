"""The page on which a person judges, without a browser: what it shows, does and refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from judges import POOL, session

from harness.analysis.judgments.journal import Journal
from harness.judging.desk import Texts
from harness.judging.page import LARGEST, Page, application
from harness.judging.session import Session

LONG = "An apple <b>tart</b>. " * 100
HERE = "http://127.0.0.1:8010"


class Client:
    """Asks the application, and follows where it leads."""

    def __init__(self, of: Session) -> None:
        page = Page(of, lambda pair: Texts(POOL.queries[pair[0]], LONG), "ann", "fruit")
        self._transport = httpx.ASGITransport(application(page))

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url=HERE) as client:
                return await client.request(method, path, **more)

        return asyncio.run(answer())

    def get(self, path: str = "/") -> httpx.Response:
        return self.ask("GET", path)

    def send(self, do: str, doc_id: str = "d0", **more: str) -> httpx.Response:
        data = {"do": do, "query_id": "q", "doc_id": doc_id, **more}
        return self.ask("POST", "/", data=data, follow_redirects=True)


@pytest.fixture(name="page")
def _page(tmp_path: Path) -> Client:
    return Client(session(tmp_path))


def test_words_are_marked_and_nothing_of_a_document_is_markup(page: Client) -> None:
    text = page.get().text
    assert "An <mark>apple</mark> &lt;b&gt;tart" in text
    assert "<b>" not in text
    assert text.count("<mark>") == 100  # the whole text is there, its end hidden


def test_no_system_is_named_and_nothing_comes_from_elsewhere(page: Client) -> None:
    answer = page.get()
    assert "://" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    for file in ("/judge.css", "/judge.js"):
        found = page.get(file)
        assert found.status_code == 200
        assert "://" not in found.text


def test_grade_note_skip_and_undo(page: Client, tmp_path: Path) -> None:
    page.get()
    assert "1 document judged by you" in page.send("3", note="  good\none ").text
    assert "undo (3)" in page.send("sigh", "d1").text
    page.send("skip", "d1")
    answer = page.send("undo", "")
    assert 'value="d1"' in answer.text
    assert "undo (3)" in answer.text
    page.send("note", "d1", note='"quoted"')
    assert 'value="&#34;quoted&#34;"' in page.get().text
    state = Journal(tmp_path).state
    assert state.grades == {("q", "d0"): 3}
    assert state.notes == {("ann", ("q", "d0")): "good one", ("ann", ("q", "d1")): '"quoted"'}


def test_an_old_page_changes_nothing(page: Client, tmp_path: Path) -> None:
    page.get()
    page.send("3")
    assert 'value="d1"' in page.send("0").text
    assert Journal(tmp_path).state.grades == {("q", "d0"): 3}


def test_the_end_is_said(tmp_path: Path) -> None:
    page = Client(session(tmp_path, enough=1))
    page.get()
    text = page.send("0").text
    assert "The decision is settled." in text
    assert 'data-key="0"' not in text
    assert 'value="d0"' in page.send("undo").text  # one can go back


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"host": "elsewhere.test"}, 400), ({"origin": "http://elsewhere.test"}, 403), ({}, 303)],
)
def test_forms_of_other_pages_are_refused(
    page: Client, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    page.get()
    data = {"do": "3", "query_id": "q", "doc_id": "d0"}
    answer = page.ask("POST", "/", data=data, headers=headers)
    assert answer.status_code == status
    assert len(Journal(tmp_path).state.grades) == (status == 303)


def test_a_form_that_is_too_long_is_refused(page: Client) -> None:
    assert page.send("note", note="x" * LARGEST).status_code == 413
