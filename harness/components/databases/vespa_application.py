"""The application package that Vespa runs for us: services, schema and the phases of its ranking.

By hand, without a run:
`python -c "from harness.components.databases.vespa_application import Application; Application(dim=128, rerank=100).write('package')"`,
then `vespa deploy package` (the Vespa CLI, to a container of the image vespaengine/vespa), or
`vespa deploy -t URL package` for another machine.

The schema is named for its content, so that an application that was made otherwise is noticed: it
has no such document type.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.data import digest
from harness.files.disk import sha256

FieldPrecision = Literal["float32", "bfloat16", "binary"]

CLUSTER = "harness"
"""The content cluster. Vespa itself refuses to put an application with this cluster in the place of
one with another, which would delete that one's documents."""

PROFILE = "phased"
SUMMARY = "hits"
"""The rank profile, and the summary of hits, which is of attributes only and so never on disk."""

MODEL_FILES = ("model.onnx", "tokenizer.json")
"""Of a cross-encoder."""

DOC_TOKENS, QUERY_TOKENS, PAIR_TOKENS = 448, 60, 512
"""What a cross-encoder reads; [CLS] and two [SEP] are the rest of a pair's tokens."""


@dataclass(frozen=True)
class Application:
    """What is written into the package."""

    dim: int
    """Of token vectors."""
    rerank: int
    """Documents of the second phase."""
    precision: FieldPrecision = "bfloat16"
    dense_dim: int = 0
    """Of the single vectors of the first phase, which is BM25 where there are none."""
    cross_encoder: Path | None = None
    """A folder with the MODEL_FILES of a BERT cross-encoder, for the global phase.

    Vespa writes 101 for [CLS] and 102 for [SEP], as bert-base-uncased and its like have them."""
    cross_encode: int = 20
    """Documents of the global phase."""

    def __post_init__(self) -> None:
        """Refuse dimensions that bits cannot be packed of."""
        if self.precision == "binary" and self.dim % 8:
            raise ValueError(f"binary vectors need a dim that 8 divides, not {self.dim}")

    @property
    def name(self) -> str:
        """Of the schema: a hash of what is in it."""
        parts = [self._schema("name"), self._services("name"), self._query_profile()]
        return f"{CLUSTER}_{digest([*parts, *map(sha256, self._models())])[:12]}"

    def files(self) -> Mapping[str, bytes]:
        """The files of the package by their paths in it."""
        texts = {
            "services.xml": self._services(self.name),
            f"schemas/{self.name}.sd": self._schema(self.name),
            "search/query-profiles/default.xml": self._query_profile(),
            "validation-overrides.xml": _overrides(),
        }
        found = {path: text.encode() for path, text in texts.items()}
        return found | {f"models/{file.name}": file.read_bytes() for file in self._models()}

    def write(self, folder: str | Path) -> None:
        """Put the package into a folder, for `vespa deploy`."""
        for path, content in self.files().items():
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def zipped(self) -> bytes:
        """The package as the config server takes it."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in self.files().items():
                archive.writestr(path, content)
        return packed.getvalue()

    def _models(self) -> list[Path]:
        return [self.cross_encoder / file for file in MODEL_FILES] if self.cross_encoder else []

    def _services(self, name: str) -> str:
        return SERVICES.format(
            cluster=CLUSTER, name=name, tokenizer=TOKENIZER if self.cross_encoder else ""
        )

    def _schema(self, name: str) -> str:
        dense, cross = self.dense_dim, self.cross_encoder
        tokens = {"pair": PAIR_TOKENS, "query": QUERY_TOKENS, "doc": DOC_TOKENS}
        cell = {"float32": "float", "bfloat16": "bfloat16", "binary": "int8"}[self.precision]
        return SCHEMA.format(
            name=name,
            cell=cell,
            size=self.dim // 8 if self.precision == "binary" else self.dim,
            embedding=EMBEDDING.format(dim=dense) if dense else "",
            text_tokens=TEXT_TOKENS.format(**tokens) if cross else "",
            dense_input=f"\n      query(q) tensor<float>(x[{dense}])" if dense else "",
            token_input=f"\n      query(tokens) tensor<float>(d0[{QUERY_TOKENS}])" if cross else "",
            dim=self.dim,
            max_sim=MAX_SIM[self.precision].format(scale=self.dim**-0.5),
            first="closeness(field, embedding)" if dense else "bm25(text)",
            rerank=self.rerank,
            global_phase=GLOBAL.format(**tokens, rerank=self.cross_encode) if cross else "",
            profile=PROFILE,
            summary=SUMMARY,
        )

    def _query_profile(self) -> str:
        """Vespa gives 400 hits at most unless the query profile says otherwise."""
        field = f'<field name="maxHits">{max(self.rerank, 400)}</field>'
        return f'<query-profile id="default">\n  {field}\n</query-profile>\n'


BYTES_PER_VECTOR: Mapping[FieldPrecision, Callable[[int], int]] = {
    "float32": lambda dim: 4 * dim,
    "bfloat16": lambda dim: 2 * dim,
    "binary": lambda dim: dim // 8,
}
"""Of the cells; what Vespa adds for each document and label is not counted."""


def cells(vectors: NDArray[np.float32], precision: FieldPrecision) -> dict[str, str]:
    """A document's token vectors as Vespa takes them: by label, the cells' bits in hexadecimal."""
    if precision == "float32":
        rows = vectors.astype(">f4")
    elif precision == "bfloat16":
        rows = _bfloat16(vectors).astype(">u2")
    else:
        rows = np.packbits(vectors > 0, axis=1)
    return {str(label): row.tobytes().hex() for label, row in enumerate(rows)}


def _bfloat16(vectors: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The upper half of float32, rounded to nearest, ties to even; `vectors` must be finite."""
    bits = vectors.astype(np.float32).view(np.uint32)
    odd = (bits >> 16) & 1
    rounded: NDArray[np.uint16] = ((bits + 0x7FFF + odd) >> 16).astype(np.uint16)
    return rounded


def _overrides() -> str:
    """A schema of ours may be replaced by another: its documents can be fed again."""
    until = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    allowed = "".join(
        f'  <allow until="{until}">{check}</allow>\n'
        for check in ("schema-removal", "content-type-removal")  # one check, by its two names
    )
    return f"<validation-overrides>\n{allowed}</validation-overrides>\n"


SERVICES = """\
<?xml version="1.0" encoding="utf-8" ?>
<services version="1.0">
  <container id="default" version="1.0">
    <document-api/>
    <search/>{tokenizer}
  </container>
  <content id="{cluster}" version="1.0">
    <redundancy>1</redundancy>
    <documents>
      <document type="{name}" mode="index"/>
    </documents>
    <nodes>
      <node distribution-key="0" hostalias="node1"/>
    </nodes>
  </content>
</services>
"""

TOKENIZER = """
    <component id="tokenizer" type="hugging-face-tokenizer">
      <model path="models/tokenizer.json"/>
      <special-tokens>false</special-tokens>
    </component>"""

SCHEMA = """\
schema {name} {{
  document {name} {{
    field language type string {{
      indexing: set_language
    }}
    field place type int {{
      indexing: attribute | summary
    }}
    field mark type string {{
      indexing: attribute | summary
    }}
    field text type string {{
      indexing: index
      index: enable-bm25
    }}
    field colbert type tensor<{cell}>(token{{}}, x[{size}]) {{
      indexing: attribute
    }}{embedding}
  }}{text_tokens}
  fieldset default {{
    fields: text
  }}
  document-summary {summary} {{
    summary place {{}}
    summary mark {{}}
  }}
  rank-profile {profile} {{
    inputs {{
      query(qt) tensor<float>(qt{{}}, x[{dim}]){dense_input}{token_input}
    }}
    function max_sim() {{
      expression {{
        {max_sim}
      }}
    }}
    first-phase {{
      expression: {first}
    }}
    second-phase {{
      rerank-count: {rerank}
      expression: max_sim
    }}{global_phase}
  }}
}}
"""

_SUM = "sum(reduce(sum(query(qt) * {field}, x), max, token), qt)"

MAX_SIM: Mapping[FieldPrecision, str] = {
    "float32": _SUM.format(field="attribute(colbert)"),
    "bfloat16": _SUM.format(field="attribute(colbert)"),
    "binary": "(2 * "
    + _SUM.format(field="unpack_bits(attribute(colbert))")
    + " - sum(query(qt))) * {scale!r}",
}
"""MaxSim; bits are 0 and 1 in Vespa, and stand for +-1 / sqrt(dim), vectors of length 1."""

EMBEDDING = """
    field embedding type tensor<float>(x[{dim}]) {{
      indexing: attribute | index
      attribute {{
        distance-metric: prenormalized-angular
      }}
      index {{
        hnsw {{
          max-links-per-node: 16
          neighbors-to-explore-at-insert: 200
        }}
      }}
    }}"""

TEXT_TOKENS = """
  field text_tokens type tensor<float>(d0[{doc}]) {{
    indexing: input text | embed tokenizer | attribute
  }}
  onnx-model cross_encoder {{
    file: models/model.onnx
    input input_ids: input_ids
    input attention_mask: attention_mask
    input token_type_ids: token_type_ids
  }}"""

GLOBAL = """
    function input_ids() {{
      expression: tokenInputIds({pair}, query(tokens), attribute(text_tokens))
    }}
    function token_type_ids() {{
      expression: tokenTypeIds({pair}, query(tokens), attribute(text_tokens))
    }}
    function attention_mask() {{
      expression: tokenAttentionMask({pair}, query(tokens), attribute(text_tokens))
    }}
    global-phase {{
      rerank-count: {rerank}
      expression: onnx(cross_encoder){{d0:0,d1:0}}
    }}"""
