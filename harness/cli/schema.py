"""`schema`: what editors read to complete and check a file."""

from __future__ import annotations

import argparse
import json

from harness.cli import exits
from harness.cli.arguments import Command
from harness.cli.streams import say

KINDS = ("experiment", "claims")


def _add_kind(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("of", nargs="?", choices=KINDS, default=KINDS[0], help=f"default: {KINDS[0]}")


def _schema(arguments: argparse.Namespace) -> int:
    from harness.experiment.json_schema import json_schema

    say(json.dumps(json_schema(arguments.of), indent=1))
    return exits.OK


SCHEMA = Command(
    "schema",
    "print the JSON schema of a file, by which editors complete and check it",
    _add_kind,
    _schema,
)
