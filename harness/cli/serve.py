"""`serve`: a system's reranker over HTTP."""

from __future__ import annotations

import argparse
import typing
from pathlib import Path

from harness.cli import exits
from harness.cli.arguments import Command, add_cache, count, port
from harness.cli.streams import say
from harness.page.text import counted
from harness.service.limits import Limits


def _add_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("file", metavar="FILE", type=Path, help="the experiment (YAML)")
    sub.add_argument("system", metavar="SYSTEM", help="the system whose reranker is served")
    add_cache(sub)
    sub.add_argument(
        "--host", default="127.0.0.1", help="default: 127.0.0.1, which only this machine reaches"
    )
    sub.add_argument("--port", type=port, default=8000, help="0: any free port (default: 8000)")
    sub.add_argument(
        "--token-env",
        metavar="NAME",
        default="",
        help="the environment variable with the token that requests must have",
    )
    for name, hint in typing.get_type_hints(Limits, include_extras=True).items():
        (what,), most = hint.__metadata__, Limits._field_defaults[name]
        about = f"{what} (default: {most})"
        sub.add_argument(f"--max-{name}", metavar="N", type=count, default=most, help=about)


def _serve(arguments: argparse.Namespace) -> int:
    from harness.components.servers.client import token_in
    from harness.experiment.reading import load_experiment
    from harness.service import host

    system = host.chosen(load_experiment(arguments.file), arguments.system)
    token = token_in(arguments.token_env)
    limits = Limits(**{name: getattr(arguments, f"max_{name}") for name in Limits._fields})
    with host.bound(arguments.host, arguments.port) as here:
        service = host.service(system, limits, token)
        where = host.url(here)
        routes = "POST /rerank, GET /docs, GET /info, GET /health"
        ready = f"Ready: {system.name} at {where} ({routes}). Ctrl-C stops it."
        requests = host.run(service, here, lambda: say(ready), limits.connections)
    say(f"Stopped after {counted(requests, 'request')}.")
    return exits.OK


SERVE = Command(
    "serve",
    "answer requests to rerank over HTTP with a system's reranker",
    _add_arguments,
    _serve,
)
