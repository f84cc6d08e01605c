"""TorchServe 0.12 (archived in 2025): POST /predictions/MODEL with a handler of one's own.

What a handler takes and gives is up to it: this is the report's contract (`plain.py`). The server
wants the inference key as a token unless it was started with `--disable-token-auth`. /ping tells
whether it is up; which weights it has is told on another port only, to another key.
"""

from __future__ import annotations

from harness.components.servers import plain
from harness.components.servers.dialect import Dialect

RERANK = Dialect(
    path="/predictions/{model}",
    body=plain.body,
    read=plain.read,
    about=("/ping",),
    names_model=True,
    remark="The server does not say which weights it has.",
)
