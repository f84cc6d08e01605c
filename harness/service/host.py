"""A system's reranker on a port of this machine: chosen, loaded, warm, and stopped in good order."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.components import registry
from harness.components.models import references
from harness.components.models.trained import Training
from harness.components.protocols import Preparable, Reranker
from harness.data import Doc, Query
from harness.errors import ComponentError, ConfigError, HarnessError, ServerError
from harness.experiment.keys import component_key, identities
from harness.experiment.plan import has_random_weights, make_plan, models_of
from harness.experiment.provenance import provenance
from harness.experiment.schema import Experiment, System
from harness.files.wrong_values import did_you_mean
from harness.pipeline import stages
from harness.service.limits import Limits, Patience

if TYPE_CHECKING:
    from starlette.applications import Starlette

NEEDS: Mapping[str, str] = dict.fromkeys(("msgspec", "starlette", "uvicorn"), "serve")

BACKLOG = 1024
"""Connections that wait until they are let in."""

WARM_QUERY = Query("warm-up", "how long does a warm-up take")
WARM_DOCS = [Doc("short", "It takes a moment."), Doc("long", "It takes a moment longer. " * 40)]


def chosen(experiment: Experiment, name: str) -> System:
    """The system of that name; raises ConfigError if there is none, or none that reranks."""
    able = [system.name for system in experiment.systems if system.reranker is not None]
    found = next((system for system in experiment.systems if system.name == name), None)
    if found is None:
        hint = did_you_mean(name, able)
        raise ConfigError(f"{experiment.file} has no system {name!r}{hint}")
    if found.reranker is None:
        others = (
            f"name one that has: {', '.join(able)}" if able else "no system of the file has one"
        )
        raise ConfigError(
            f"The system {name!r} of {experiment.file} has no reranker, and a reranker is what is "
            f"served; {others}."
        )
    if any(isinstance(part, Training) for part in registry.parts(found.reranker)):
        return _with_trained(experiment, found)
    return found


def _with_trained(experiment: Experiment, system: System) -> System:
    """The system with the models that were trained for it."""
    found = [trial.system for trial in make_plan(experiment).trials if trial.asked == system]
    if len(found) > 1:
        raise ConfigError(
            f"The system {system.name!r} of {experiment.file} has a model for each of "
            f"{len(found)} datasets: `python -m harness export` them, and serve a system whose "
            "model is the folder of one."
        )
    return found[0]


def service_info(system: System) -> dict[str, Any]:
    """What a service says of itself; `fingerprint` is of everything that decides its scores.

    Raises InputError where a model or file is missing.
    """
    reranker = system.reranker
    configuration = registry.config_of(reranker)
    named = [
        part.model
        for part in registry.parts(reranker)
        if isinstance(getattr(part, "model", None), str)
    ]
    return {
        "model": ", ".join(filter(None, named)) or configuration["use"],
        "fingerprint": component_key(reranker)[:32],
        "system": system.name,
        "mode": "on the fly" if isinstance(reranker, Preparable) else "rerank",
        "random_weights": has_random_weights(reranker),
        "configuration": configuration,
        "identities": identities(reranker),
        "provenance": provenance(),
    }


def service(system: System, limits: Limits, token: str) -> Starlette:
    """The service of a system's reranker, whose model is in memory and has scored once.

    Raises PackageError for packages that are not installed, ModelError for a model that is neither
    here nor to be had, ComponentError if the reranker fails.
    """
    registry.require_packages([system.reranker], also=NEEDS)
    for wanted, wanted_by in models_of(registry.parts(system.reranker)).items():
        references.fetch(wanted.reference, wanted_by, wanted.file)
    from harness.service.app import application

    info = service_info(system)
    _warm_up(system.name, system.reranker)
    return application(system.reranker, info, limits, token)


def _warm_up(name: str, reranker: Reranker) -> None:
    try:
        stages.load(reranker)
        stages.scores(reranker, WARM_QUERY, WARM_DOCS)
    except HarnessError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ComponentError(f"The reranker of {name!r} fails at its warm-up: {why}") from error


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket on that address, which nobody reaches before `run` listens.

    So a port that is taken is an error before a model is loaded. Raises ServerError.
    """
    with _port_errors(host, port):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as here:
        # A service that is started again need not wait until old connections are forgotten.
        here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _port_errors(host, port):
            here.bind(address)
        yield here


def url(here: socket.socket) -> str:
    """Where a service on the socket is."""
    host, port, *_ = here.getsockname()
    return f"http://[{host}]:{port}" if here.family == socket.AF_INET6 else f"http://{host}:{port}"


def run(
    application: Starlette,
    here: socket.socket,
    ready: Callable[[], None],
    connections: int,
    patience: Patience | None = None,
) -> int:
    """Answer until SIGTERM or SIGINT, and then what is inside; the number of requests.

    `ready` is called when requests are answered, of up to so many `connections` at once. A second
    SIGINT lets nobody but those that are being scored finish. Raises ServerError if another process
    took the port meanwhile, or no file can be opened any more.
    """
    from harness.service.door import Server

    with _port_errors(*here.getsockname()[:2]):
        here.listen(BACKLOG)
    server = Server(application, here, ready, connections, patience or Patience())
    # uvicorn raises the signal that stopped it once more, and then it has done its work.
    before = {
        one: signal.signal(one, server.handle_exit) for one in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        server.run()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    return server.server_state.total_requests


@contextmanager
def _port_errors(host: str, port: int) -> Iterator[None]:
    """What is wrong with an address, as a ServerError that says what to do."""
    try:
        yield
    except (OSError, UnicodeError) as error:  # the latter where no host can be called like that
        why = getattr(error, "strerror", None) or error
        raise ServerError(
            f"Nothing can be served at port {port} of {host}: {why}. Way out: "
            "stop what is there, or name another with --port (0 is any that is free)."
        ) from error
