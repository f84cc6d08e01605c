"""From a model for torch to ONNX, in float32 and in int8, laid out as the hub's repositories are.

FOLDER/onnx/model.onnx FOLDER/onnx/model_int8.onnx, and beside them what the tokenizer, pooling,
prompts and markers are read from.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.components import registry
from harness.components.models import checkpoints, inference, positions, references
from harness.errors import ModelError, StoreError
from harness.experiment.provenance import machine, machine_words
from harness.training.onnx_agreement import LEAST, Agreement, compared

FLOAT32, INT8 = "onnx/model.onnx", "onnx/model_int8.onnx"

OPSET = 17
"""The version of ONNX's operators: the first with LayerNormalization."""

MOST_BYTES = 2**31
"""What a file of ONNX can hold, weights and all."""

KEPT = (
    *(*references.READ_WITH_ONNX, "vocab.txt", "modules.json", "sentence_bert_config.json"),
    *("1_Pooling/config.json", "config_sentence_transformers.json", "artifact.metadata"),
)
"""Files of a checkpoint that are copied, where it has them."""

NEEDED = dict.fromkeys(("torch", "transformers", "onnx", "onnxruntime"), "writing ONNX")


class Exported(NamedTuple):
    """What was written."""

    files: list[Path]
    """In float32 and in int8."""
    agreement: Agreement
    """How alike the two answer on this processor."""


class Graph(NamedTuple):
    """What is traced."""

    module: Any
    inputs: Sequence[str]
    output: str


def export(reference: str, folder: Path) -> Exported:
    """Write the model in both number formats, and compare them on sample texts.

    A cross-encoder gives logits, a late-interaction model projected vectors of length 1 for every
    token, any other model its last hidden states. In int8 the weights are rounded channel by
    channel, activations when the model runs (ONNX Runtime's dynamic quantization). Raises ModelError
    for a model that is not here or too large, or whose int8 does not agree with float32, PackageError
    for a missing package, StoreError where the files cannot be written.
    """
    registry.require_packages((), also=NEEDED)
    source = references.fetch(reference, "the export").folder
    inference.prepare_libraries()
    from transformers import AutoTokenizer

    files = [folder / FLOAT32, folder / INT8]
    try:
        files[0].parent.mkdir(parents=True, exist_ok=True)
        for name in KEPT:
            if (source / name).exists():
                (folder / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(source / name, folder / name)
        tokenizer = AutoTokenizer.from_pretrained(source)
        if not all((folder / name).exists() for name in references.BESIDE_ONNX):
            tokenizer.save_pretrained(folder)  # the checkpoint has only a vocabulary
        graph = _graph(source, tokenizer.model_input_names)
        _check_size(graph, reference)
        _write(graph, tokenizer, files[0])
        _quantize(*files)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return Exported(files, _agreement(reference, source, tokenizer, files))


def _agreement(reference: str, source: Path, tokenizer: Any, files: Sequence[Path]) -> Agreement:
    """That of the two files; raises ModelError, and deletes int8, where it is too small."""
    config = positions.configuration(source)
    tokenizer.model_max_length = positions.usable(tokenizer.model_max_length, config)
    found = compared(files[0], files[1], tokenizer)
    if not found.value >= LEAST:
        files[1].unlink()
        raise ModelError(
            f"In int8 the model {reference!r} is another one: on sample texts {found.of} is "
            f"{found.value:.3f} between int8 and float32, and at least {LEAST} is wanted "
            f"({machine_words(machine())}). int8 was deleted; {files[0]} is sound."
        )
    return found


def _graph(source: Path, names: Sequence[str]) -> Graph:
    """What is traced of a checkpoint whose tokenizer gives inputs of these names."""
    from transformers import AutoModel, AutoModelForSequenceClassification

    kind, output = AutoModel, "last_hidden_state"
    if checkpoints.has_trained_head(source):
        kind, output = AutoModelForSequenceClassification, "logits"
    elif checkpoints.has_trained_projection(source):
        return _late_interaction(source)
    # Of the ways to compute attention the plain one is traced without branches.
    model = kind.from_pretrained(source, attn_implementation="eager")
    return Graph(_named_output(model, names, output), names, output)


def _check_size(graph: Graph, reference: str) -> None:
    size = sum(one.numel() * one.element_size() for one in graph.module.parameters())
    if size >= MOST_BYTES:
        raise ModelError(
            f"The model {reference!r} has {size / 1e9:.1f} GB of weights, more than one file of ONNX "
            "holds. Export it with a tool that puts weights beside the graph, such as optimum, and "
            "name that folder as the model."
        )


def _named_output(model: Any, names: Sequence[str], output: str) -> Any:
    import torch

    class Named(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, *tensors: Any) -> Any:
            given = dict(zip(names, tensors, strict=True))
            return getattr(self.inner(**given), output)

    return Named()


def _late_interaction(source: Path) -> Graph:
    import torch
    from pylate import models

    model = models.ColBERT(
        str(source),
        device="cpu",
        local_files_only=True,
        model_kwargs={"attn_implementation": "eager"},
    )
    body, *projection = model.children()

    class Projected(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.projection = body.auto_model, torch.nn.ModuleList(projection)

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.body(input_ids=input_ids, attention_mask=attention_mask)
            features = {"token_embeddings": hidden.last_hidden_state}
            for module in self.projection:
                features = module(features)
            return torch.nn.functional.normalize(features["token_embeddings"], dim=2)

    return Graph(Projected(), ("input_ids", "attention_mask"), "contextual")


def _write(graph: Graph, tokenizer: Any, file: Path) -> None:
    import torch

    example = tokenizer(
        ["an example", "of two texts of different length"], padding=True, return_tensors="pt"
    )
    axes = {0: "texts", 1: "tokens"}
    dynamic = dict.fromkeys(graph.inputs, axes)
    dynamic[graph.output] = {0: "texts"} if graph.output == "logits" else axes
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer's, on values that hold for every input
        torch.onnx.export(
            graph.module.eval(),
            tuple(example[name] for name in graph.inputs),
            str(file),
            input_names=list(graph.inputs),
            output_names=[graph.output],
            dynamic_axes=dynamic,
            opset_version=OPSET,
            dynamo=False,
        )


def _quantize(source: Path, target: Path) -> None:
    """Weights are unsigned: their products with activations saturate on no processor."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # it advises to prepare the graph beforehand
    try:
        quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QUInt8)
    finally:
        logging.getLogger().setLevel(level)
