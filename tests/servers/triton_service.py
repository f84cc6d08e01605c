"""Triton with a Python model whose scores are those of the contract server.

`python triton_service.py PORT`, in an environment of its own with nvidia-pytriton.
"""

import sys
from typing import Any

import numpy as np
from contract_server import score
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


@batch
def infer(query: Any, document: Any) -> dict[str, Any]:
    pairs = zip(query[:, 0], document[:, 0], strict=True)
    rows = [[score(one.decode(), other.decode())] for one, other in pairs]
    return {"score": np.array(rows, dtype=np.float32)}


def main() -> None:
    port = int(sys.argv[1])
    config = TritonConfig(
        http_address="127.0.0.1", http_port=port, allow_grpc=False, allow_metrics=False
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="rerank",
            infer_func=infer,
            inputs=[Tensor(name=n, dtype=bytes, shape=(1,)) for n in ("query", "document")],
            outputs=[Tensor(name="score", dtype=np.float32, shape=(1,))],
            config=ModelConfig(max_batch_size=64),
        )
        triton.serve()


main()
