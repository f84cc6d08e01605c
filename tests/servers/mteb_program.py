"""A whole run of MTEB on the CPU: dense retrieval, then MaxSim over the same model's token vectors.

python mteb_program.py FOLDER MODEL PREDICTIONS RERANKED

FOLDER is a dataset as BEIR ships it, without titles; MODEL a sentence-transformers folder, whose token
vectors an identity projects. MTEB's own classes do the work, with their defaults. Prints nDCG@10 of
both as JSON.
"""

import csv
import json
import logging
import sys
from pathlib import Path
from typing import Any

import mteb
import torch
from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import ModelMeta
from mteb.models.model_implementations.pylate_models import MultiVectorModel
from pylate.models import Dense
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Transformer

LENGTH = 256


class Local(AbsTaskRetrieval):
    """The test split of a folder."""

    folder: Path
    metadata = TaskMetadata(
        name="Local",
        description="A dataset of this machine",
        type="Retrieval",
        category="t2t",
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        dataset={"path": "local", "revision": "1"},
    )

    def load_data(self, *_: object, **__: object) -> None:
        if self.data_loaded:
            return
        qrels: dict[str, dict[str, int]] = {}
        with (self.folder / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as lines:
            for query, doc, grade in list(csv.reader(lines, delimiter="\t"))[1:]:
                qrels.setdefault(query, {})[doc] = int(grade)
        corpus, queries = (self.texts(name) for name in ("corpus", "queries"))
        split = {"corpus": corpus, "queries": queries, "relevant_docs": qrels, "top_ranked": None}
        self.dataset, self.data_loaded = {"default": {"test": split}}, True

    def texts(self, name: str) -> Dataset:
        with (self.folder / f"{name}.jsonl").open(encoding="utf-8") as lines:
            found = map(json.loads, lines)
            return Dataset.from_list([{"id": one["_id"], "text": one["text"]} for one in found])


def token_vectors(folder: str) -> MultiVectorModel:
    """Each token's vector as the transformer gives it, by pylate: no marker, expansion or skipped word."""
    body = Transformer(folder, max_seq_length=LENGTH)
    size = body.get_word_embedding_dimension()
    model = MultiVectorModel(
        None,
        modules=[body, Dense(size, size, bias=False, init_weight=torch.eye(size))],
        query_prefix="",
        document_prefix="",
        do_query_expansion=False,
        skiplist_words=[],
        query_length=LENGTH,
        document_length=LENGTH,
        device="cpu",
    )
    model.mteb_model_meta = ModelMeta.create_empty({"name": "local/token-vectors"})
    return model


def ndcg(model: Any, task: Local, **options: Any) -> float:
    result = mteb.evaluate(model, task, cache=None, show_progress_bar=False, **options)
    return float(result.task_results[0].scores["test"][0]["ndcg_at_10"])


def main() -> None:
    logging.disable(logging.WARNING)
    folder, model, predictions, reranked = sys.argv[1:]
    task = Local()
    task.folder = Path(folder)
    dense = SentenceTransformer(model, device="cpu")
    found = {"dense": ndcg(dense, task, prediction_folder=predictions)}
    task = task.convert_to_reranking(predictions, top_k=int(reranked))
    found["maxsim"] = ndcg(token_vectors(model), task)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
