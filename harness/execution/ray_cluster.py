"""The Ray cluster that a run uses, and what its workers get to know."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.components import requirements
from harness.components.hardware import limits
from harness.components.models import hub
from harness.components.protocols import Progress
from harness.errors import PackageError, ServerError, reason
from harness.execution.ray_nodes import Nodes
from harness.experiment.plan import Plan
from harness.files import temporary

CONNECT_S = 5.0
"""How long the cluster may take to answer."""

VARIABLES = (*hub.SETTINGS, *limits.SLEEP, "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE")
"""What workers get of this process's environment; secrets are set where the nodes start."""


@contextmanager
def connected(
    address: str, plan: Plan, results: Path, cache: Path, progress: Progress
) -> Iterator[Nodes]:
    """The nodes of the cluster at `address`, each with a worker, until the block ends.

    Raises PackageError without Ray, ServerError where no cluster answers, InputError where a node
    cannot take part.
    """
    if requirements.lack("ray") is not None:
        line = requirements.install_line(["ray"])
        raise PackageError(
            f"`--executor ray` needs the package ray, which is not installed. {line}"
        )
    import ray

    stops = signal.getsignal(signal.SIGTERM)
    try:
        _check_answers(address)
        ray.init(
            address=address,
            runtime_env={"env_vars": _variables(cache)},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ServerError(
            f"No Ray cluster at {address!r} can be used: {reason(error)[:300]}. Start one with `ray "
            "start --head` here and `ray start --address=HERE:6379` on other machines, or name "
            "another with --address."
        ) from error
    finally:
        signal.signal(signal.SIGTERM, stops)  # Ray puts its own in the place
    try:
        yield Nodes(ray, plan, results, cache, progress)
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise OSError or ValueError where nobody answers: Ray would try for minutes."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), CONNECT_S).close()


def _variables(cache: Path) -> dict[str, str]:
    """What workers must know: where code, models and the cache lie, and how to be quiet."""
    entries = [entry or str(Path.cwd()) for entry in sys.path]
    ours = [entry for entry in entries if not entry.startswith((sys.prefix, sys.base_prefix))]
    known = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {
        **known,
        temporary.CACHE: str(cache.resolve()),
        "PYTHONPATH": os.pathsep.join(ours),
    }
