"""The tables that pass between measurement and reading, by their columns."""

from __future__ import annotations

TRIALS = ("dataset", "system", "key", "status", "retriever", "reranker", "config", "reason")
"""One row a trial; `config` is the system's full configuration as JSON, `reason` why it failed."""

MEASUREMENTS = ("dataset", "system", "query_id", "metric", "value")
"""One row a trial, query and metric."""

READINGS = ("dataset", "system", "reading", "depth", "query_id", "metric", "value")
"""One row a trial, query, metric and other ranking made of the trial's run
(`harness.results.derived_rankings`): `depth`, had only so many candidates been reranked; `ceiling`,
the candidates in the order of their judgements; `condensed`, the run without unjudged documents;
and of `order` what the reranker made of the first stage's order: `tau`, `distinct`, `truncated`."""

LENGTHS = ("kind", "id", "tokens")
"""Of what the model of a trial's last stage reads: `doc`, the tokens of a document; `room`, the most
of them that are read beside a query; `query`, the tokens of a query; `query_room`, the most of those."""

TIMINGS = ("dataset", "system", "stage", "seconds", "finished")
"""Wall-clock seconds of a stage as it was run; `finished` is UTC, ISO 8601."""

STORAGE = (
    *("dataset", "system", "holder", "kind", "documents", "vectors", "dim", "precision"),
    *("bytes", "disk_bytes", "unknown"),
)
"""One row a part of what a system stores of the documents (`abilities.Footprint`), with what it was
counted over; `holder` is the `retriever` or the `reranker`."""

CALLS = (
    *("dataset", "device", "system", "mode", "copy", "k", "round", "query_id"),
    *("seconds", "tokens", "encode_query", "encode_docs", "fetch", "score"),
    *("server", "processor"),
)
"""One row a timed call. `mode` is `retrieve`, `rerank`, `on the fly` or `precomputed`; `copy` is 1
for the second of two equal arms (A/A), else 0; `k` the candidates, `tokens` those that the arm's
model reads, or whose vectors are compared where they are precomputed (NaN without a model). `seconds` is the whole call, the next four are its
stages, NaN where the arm has no such stage; `server` is what a server says that it took of them, NaN where
none does. `processor` are the seconds of all processors that this process used in it, those of other
processes left out; NaN in results of versions that did not count them."""

ARMS = (
    *("dataset", "device", "system", "mode", "k", "status", "reason", "policy", "dtype"),
    *("attention", "tokens", "queries", "agreement", "tau", "served"),
)
"""One row an arm and k, timed or not. `status` is `measured`, `predicted` (one call would not fit in
the budget: `tokens` is the median that it would have read) or `not measured`, with the `reason`, which
for `measured` says what was left out;
`policy` is the batch policy that tuning chose; `agreement` the share of timed queries whose ranking
is the one that quality was measured on, NaN where no such ranking is known; `tau` Kendall's tau
between its rankings and those of the first device, NaN there; `served` whether a server or a database
does part of its work, in another process or on another machine."""

STARTS = (
    *("dataset", "device", "system", "mode", "start", "import_seconds", "load_seconds"),
    *("first_call_seconds", "libraries_bytes", "loaded_bytes", "peak_bytes", "gpu_peak_bytes"),
    *("candidates", "threads"),
)
"""One row a process started for one system alone: what the first answer costs. Bytes are resident
set: after the imports, after loading, and the highest until the end of a call with `candidates`
documents; NaN where the system has no such count."""

THROUGHPUT = (
    *("dataset", "device", "system", "mode", "unit", "policy", "count", "tokens", "seconds"),
    "processor",
)
"""Offline work, many at once: `unit` is `documents` (encoded) or `pairs` (scored). `mode` is that of
the arm: `retrieve` for the encoder of a retriever, any other for one that reranks; `processor` is as
in CALLS."""

ROUNDS = (
    *("dataset", "device", "round", "load", "steal", "switches", "mhz", "spin_seconds"),
    *("gpu_mhz", "gpu_watts", "gpu_celsius", "gpu_throttled"),
)
"""The machine's state in each round of timed calls: load average, share of stolen processor time,
involuntary context switches, clock, and the seconds of a fixed computation."""

REQUESTS = (
    *("dataset", "system", "loop", "level", "query_id", "due", "late", "seconds", "server"),
    "outcome",
)
"""One row a request under load; `loop` and `level` name its step. `due` is in seconds from the step's
begin, `late` how long after that it was sent (NaN: never), `seconds` how long after it was due the
answer was there (NaN: never); `server` is what the server says that it took of them. `outcome` is
`answered`, `refused` (the server would not now: 429, 502, 503, 504), `failed` (no connection, no answer
in time, or none that can be used) or `unsent` (all that may be in flight were, to the step's end)."""

STEPS = (
    *("dataset", "system", "loop", "level", "share", "k", "status", "reason", "window", "cores"),
    "remark",
)
"""One row a system and step of load. `loop` is `closed`, with `level` clients, or `open`, with `level`
requests a second, which are `share` of the most that the closed loop had answered; `k` the candidates,
`window` the seconds over which requests were due, `cores` those that the client used of them. `status`
is `measured`, `failed` or `not measured`, with the `reason`; `remark` is what was said of the first
request that was not answered."""

GRID = (
    *("dataset", "system", "model", "trained", "dim", "precision", "pool_factor", "nbits"),
    *("documents", "vectors", "vectors_sd", "formula_bytes", "disk_bytes", "payload_bytes"),
    *("memory_seconds", "mapped_seconds", "cold_seconds", "build_seconds", "remark"),
)
"""One row a way to keep a token encoder's vectors, over the same documents. `precision` is one of
those of `harness.components.vectors.compression`, or `plaid` with `nbits`; `trained` says whether
the model was trained for this many dimensions. `vectors_sd` is the standard deviation of a
document's vectors, NaN where that was not noted; `payload_bytes` are those of the vectors' own
files, `disk_bytes` the whole folder; the seconds fetch and decompress 100 documents from memory, a
memory map, and a memory map whose pages were dropped (for PLAID: search restricted to them,
`memory_seconds` only)."""
