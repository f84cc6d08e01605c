"""The files that pyvespa writes for the application of each of some settings, as JSON.

python pyvespa_program.py < [{"name": ..., "dim": 128, "rerank": 100, "cell": "float", "size": 128,
"max_sim": EXPRESSION, "dense_dim": 0, "cross": false, "max_hits": 400}, ...]
"""

import json
import sys
from typing import Any

from vespa import package as vespa


def schema(told: dict[str, Any]) -> vespa.Schema:
    fields = [
        vespa.Field("language", "string", indexing=["set_language"]),
        vespa.Field("place", "int", indexing=["attribute", "summary"]),
        vespa.Field("mark", "string", indexing=["attribute", "summary"]),
        vespa.Field("text", "string", indexing=["index"], index="enable-bm25"),
        vespa.Field(
            "colbert", f"tensor<{told['cell']}>(token{{}}, x[{told['size']}])", ["attribute"]
        ),
    ]
    inputs = [("query(qt)", f"tensor<float>(qt{{}}, x[{told['dim']}])")]
    functions = [vespa.Function("max_sim", told["max_sim"])]
    models, last = [], None
    if told["dense_dim"]:
        kind = f"tensor<float>(x[{told['dense_dim']}])"
        graph = vespa.HNSW("prenormalized-angular", 16, 200)
        fields.append(vespa.Field("embedding", kind, ["attribute", "index"], ann=graph))
        inputs.append(("query(q)", kind))
    if told["cross"]:
        embedded = ["input text", "embed tokenizer", "attribute"]
        kind = "tensor<float>(d0[448])"
        fields.append(vespa.Field("text_tokens", kind, embedded, is_document_field=False))
        inputs.append(("query(tokens)", "tensor<float>(d0[60])"))
        names = "input_ids", "attention_mask", "token_type_ids"
        models.append(
            vespa.OnnxModel("cross_encoder", "model.onnx", dict(zip(names, names, strict=True)), {})
        )
        pair = "(512, query(tokens), attribute(text_tokens))"
        made = "tokenInputIds", "tokenAttentionMask", "tokenTypeIds"
        functions += [vespa.Function(a, f"{b}{pair}") for a, b in zip(names, made, strict=True)]
        last = vespa.GlobalPhaseRanking("onnx(cross_encoder){d0:0,d1:0}", 20)
    first = "closeness(field, embedding)" if told["dense_dim"] else "bm25(text)"
    profile = vespa.RankProfile(
        "phased",
        first,
        inputs=inputs,
        functions=functions,
        second_phase=vespa.SecondPhaseRanking("max_sim", told["rerank"]),
        global_phase=last,
    )
    shown = [vespa.Summary("place", None, []), vespa.Summary("mark", None, [])]
    return vespa.Schema(
        told["name"],
        vespa.Document(fields),
        fieldsets=[vespa.FieldSet("default", ["text"])],
        rank_profiles=[profile],
        models=models,
        document_summaries=[vespa.DocumentSummary("hits", summary_fields=shown)],
    )


def files(told: dict[str, Any]) -> dict[str, str]:
    tokenizer = vespa.Component(
        "tokenizer",
        type="hugging-face-tokenizer",
        parameters=[
            vespa.Parameter("model", {"path": "models/tokenizer.json"}),
            vespa.Parameter("special-tokens", {}, "false"),
        ],
    )
    made = vespa.ApplicationPackage(
        "harness",
        [schema(told)],
        vespa.QueryProfile([vespa.QueryField("maxHits", told["max_hits"])]),
        components=[tokenizer] if told["cross"] else None,
    )
    return {
        "schema": made.schema.schema_to_text,
        "services": made.services_to_text,
        "profile": made.query_profile_to_text,
    }


json.dump([files(one) for one in json.load(sys.stdin)], sys.stdout)
