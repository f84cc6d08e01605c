"""`fetch` and `onnx`: models downloaded, and written for another runtime."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli import exits
from harness.cli.arguments import Command, add_plan, experiment_of
from harness.cli.streams import say


def _fetch(arguments: argparse.Namespace) -> int:
    from harness.execution import fetch
    from harness.experiment.plan import make_plan

    for line in fetch.fetch(make_plan(experiment_of(arguments)), arguments.cache):
        say(line)
    return exits.OK


def _add_onnx(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", metavar="MODEL", help="hub id, folder or package:NAME/FOLDER")
    sub.add_argument("folder", metavar="FOLDER", type=Path, help="where the files are written")


def _onnx(arguments: argparse.Namespace) -> int:
    from harness.training.onnx_export import export

    files, agreement = export(arguments.model, arguments.folder)
    say("\n".join(map(str, files)))
    say(f"On sample texts {agreement.of} is {agreement.value:.3f} between int8 and float32.")
    return exits.OK


FETCH = Command("fetch", "download the models and datasets of an experiment", add_plan, _fetch)
ONNX = Command("onnx", "write a model for torch as ONNX, in float32 and int8", _add_onnx, _onnx)
