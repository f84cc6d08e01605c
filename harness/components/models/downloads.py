"""A model from the hub into the cache of this machine."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from pathlib import Path

from harness.components.models import hub
from harness.errors import ModelError, StoreError

SKIPPED = ("*.msgpack", "*.h5", "*.ot", "openvino/*", "onnx/*", "*.onnx", "*.gguf")
"""Weights of other frameworks, never downloaded."""

BESIDE_ONNX = ("*.json", "artifact.metadata")
"""What is downloaded beside an ONNX file: tokenizer, pooling, prompts, markers."""

NOT_STORED = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
"""What the system says where there is no room, or no right to write."""


def download(reference: str, file: str | None) -> None:
    """Have a hub model in the cache: that ONNX file of it, or its weights for torch.

    Raises ModelError for a model that the hub does not give, StoreError where it cannot be stored,
    ConnectionError where the network fails.
    """
    import httpx
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    name, _, revision = reference.partition("@")
    try:
        found = huggingface_hub.model_info(name, revision=revision or "main").siblings or ()
        names = [one.rfilename for one in found]
        folder = huggingface_hub.snapshot_download(
            name, revision=revision or None, **_patterns(names, file)
        )
        for elsewhere in code_elsewhere(Path(folder)):
            huggingface_hub.snapshot_download(elsewhere, allow_patterns=["*.py"])
    except HfHubHTTPError as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise ModelError(f"The hub does not give the model {reference!r}: {why}.") from error
    except (httpx.HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno in NOT_STORED:
            raise StoreError(
                f"The model {reference!r} cannot be stored in {hub.cache_folder()}: "
                f"{error.strerror}. Free some space, or name another folder by HF_HOME."
            ) from error
        raise ConnectionError(str(error)) from error


def _patterns(names: Sequence[str], file: str | None) -> dict[str, list[str]]:
    """Which of a repository's files are downloaded."""
    if file:
        return {"allow_patterns": [f"{file}*", *BESIDE_ONNX]}
    twice = ["*.bin"] if any(name.endswith(".safetensors") for name in names) else []
    return {"ignore_patterns": [*SKIPPED, *twice]}


def code_elsewhere(folder: Path) -> list[str]:
    """The other repositories of the hub whose code a model runs, by its config.json.

    An entry of `auto_map` names one before `--`. Their code is loaded as it was downloaded, whatever
    the model's own commit.
    """
    config = folder / "config.json"
    named = json.loads(config.read_text(encoding="utf-8")) if config.exists() else {}
    entries = [one for one in (named.get("auto_map") or {}).values() if isinstance(one, str)]
    return sorted({one.partition("--")[0] for one in entries if "--" in one})
