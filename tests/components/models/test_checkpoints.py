from __future__ import annotations

from pathlib import Path

import pytest

from harness.components.models import checkpoints


@pytest.mark.parametrize("sharded", [True, False])
def test_weight_names_in_other_formats(tmp_path: Path, sharded: bool) -> None:
    import torch

    if sharded:
        (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"score.w": "1"}}')
    else:
        torch.save({"score.w": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    assert checkpoints.weight_names(tmp_path) == ["score.w"]
