"""The page on which a person judges, as an ASGI application: one document at a time, by keys or by touch.

Each act is a form that is sent; the answer is the next page. So nothing is in the page that would be
lost with it, and it works without its script, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import jinja2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from harness.analysis.judgments.journal import GRADES
from harness.judging.marking import beginning, marked
from harness.judging.session import Session, View
from harness.page.text import counted

if TYPE_CHECKING:
    from harness.analysis.judgments.pool import Pair
    from harness.judging.desk import Texts

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""A page fetches nothing from elsewhere, and going back shows it as it is now."""

HOSTS = ("127.0.0.1", "localhost")
"""By which names the page is asked for; a name that somebody else leads here is refused."""

TEMPLATES = Path(__file__).with_name("templates")

LARGEST = 2**16
"""Bytes of a form."""

LONGEST_NOTE = 2000
"""Characters."""


class Served(NamedTuple):
    """A file of the page's own."""

    content: str
    kind: str


class Page(NamedTuple):
    """What the answers share."""

    session: Session
    texts: Callable[[Pair], Texts]
    """The query and the document of a pair."""
    judge: str
    dataset: str

    async def show(self, _: Request) -> Response:
        """What is to be judged now."""
        return HTMLResponse(self.html(self.session.view()), headers=HEADERS)

    def html(self, view: View) -> str:
        """The page of a view."""
        more: dict[str, Any] = {}
        if view.pair is not None:
            query, text = self.texts(view.pair)
            first = beginning(text)
            rest = marked(text[len(first) :], query)
            more = {"query": query, "first": marked(first, query), "rest": rest}
        template = _environment().get_template("judge.html.j2")
        return template.render(
            view=view,
            judge=self.judge,
            dataset=self.dataset,
            grades=GRADES,
            progress=progress(view),
            longest_note=LONGEST_NOTE,
            **more,
        )

    async def act(self, request: Request) -> Response:
        """Do what a form says, then show what is next."""
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers["host"]:
            return PlainTextResponse("This form is not of this page.", 403)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return PlainTextResponse("The form is too long.", 413)
        form = {key: values[-1] for key, values in parse_qs(body.decode(errors="replace")).items()}
        self._do(form.get("do", ""), (form.get("query_id", ""), form.get("doc_id", "")), form)
        return RedirectResponse("/", 303)

    def _do(self, act: str, pair: Pair, form: dict[str, str]) -> None:
        if act == "undo":
            self.session.undo()
            return
        self.session.note(pair, " ".join(form.get("note", "").split())[:LONGEST_NOTE])
        if act == "skip":
            self.session.skip(pair)
        elif act in map(str, GRADES):
            self.session.grade(pair, int(act))


def progress(view: View) -> str:
    """How much was judged."""
    others = view.all - view.mine
    by_all = f", {counted(view.all, 'document')} by all" if others > 0 else ""
    return f"{counted(view.mine, 'document')} judged by you{by_all}"


def application(page: Page) -> Starlette:
    """The page at /, and the files it is made of."""
    files = {
        "/judge.css": Served((TEMPLATES / "judge.css").read_text("utf-8"), "text/css"),
        "/judge.js": Served((TEMPLATES / "judge.js").read_text("utf-8"), "text/javascript"),
    }

    async def file(request: Request) -> Response:
        found = files[request.url.path]
        return Response(found.content, media_type=found.kind, headers=HEADERS)

    routes = [
        Route("/", page.show),
        Route("/", page.act, methods=["POST"]),
        *(Route(path, file) for path in files),
    ]
    only_here = Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))
    return Starlette(routes=routes, middleware=[only_here])


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
