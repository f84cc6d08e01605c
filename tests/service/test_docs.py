"""The page for people: what it shows works, and it needs nothing from elsewhere."""

from __future__ import annotations

import asyncio
import html
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from harness.data import Doc
from harness.service.app import application
from harness.service.docs import Page, described
from harness.service.limits import Limits

DESCRIBED = described(Limits())


@dataclass(frozen=True)
class ByLength:
    def score(self, query: str, docs: Sequence[Doc]) -> list[float]:
        del query
        return [float(len(doc.text)) for doc in docs]


def asked(requests: Sequence[httpx.Request], token: str = "") -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        info = {"model": "org/model", "fingerprint": "f00d"}
        transport = httpx.ASGITransport(application(ByLength(), info, token=token))
        async with httpx.AsyncClient(transport=transport) as http:
            return [await http.send(request) for request in requests]

    return asyncio.run(run())


def shown(token: str = "") -> httpx.Response:
    (found,) = asked([httpx.Request("GET", "http://service:80/docs")], token)
    return found


def commands(page: str) -> list[list[str]]:
    """The words of each command line that it shows."""
    found = re.findall(r"<pre><code>(curl .*?)</code></pre>", page, re.DOTALL)
    return [shlex.split(html.unescape(command).replace("\\\n", "")) for command in found]


def as_request(words: Sequence[str], token: str) -> httpx.Request:
    """What curl would send."""
    name, url, *options = words
    assert name == "curl"
    pairs = list(zip(options[::2], options[1::2], strict=True))
    headers = [value.replace("$TOKEN", token).split(": ", 1) for key, value in pairs if key == "-H"]
    bodies = [value for key, value in pairs if key == "-d"]
    assert {key for key, _ in pairs} <= {"-H", "-d"}
    return httpx.Request(
        "POST" if bodies else "GET", url, headers=dict(headers), content="".join(bodies)
    )


@pytest.mark.parametrize("token", ["", "s3cret"])
def test_every_example_works(token: str) -> None:
    page = shown(token).text
    requests = [as_request(words, token) for words in commands(page)]
    assert {request.url.path for request in requests} == set(DESCRIBED["paths"])
    assert [answer.status_code for answer in asked(requests, token)] == [200] * len(requests)
    assert ("Authorization" in page, "TOKEN" in page) == (bool(token), bool(token))
    assert "s3cret" not in page


def test_every_field_is_there() -> None:
    page = shown().text
    for name in ("Plain", "Cohere", "Tei"):
        for field in DESCRIBED["components"]["schemas"][name]["properties"]:
            assert f"<code>{field}</code>" in page, name
    rows = [re.sub("(<[^>]*>)+", "|", row) for row in re.findall("<tr><td>.*", page)]
    assert "|documents|list of: string or object|yes|" in rows
    assert any(row.startswith("|documents[].id|string or null|Where all documents") for row in rows)
    assert "|raw_scores|true|yes|" in rows
    assert any(row.startswith("|top_n|integer or null|") for row in rows)


def test_nothing_comes_from_elsewhere_and_nothing_runs() -> None:
    answer = shown()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert set(re.findall(r"https?://[^/\s]*", answer.text)) == {"http://service"}
    assert not re.search(r"<script|<link|<img|src=|url\(|@import", answer.text)
    assert "color-scheme: light dark" in answer.text


def test_an_address_is_neither_markup_nor_a_command() -> None:
    page: Any = Page(DESCRIBED, "http://a<b>$(id)'", token=False)
    assert "<b>" not in page.html()
    assert commands(page.html())[-1] == ["curl", "http://a<b>$(id)'/openapi.json"]
