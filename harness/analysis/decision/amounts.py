"""How much each option needs of what can be limited, and how surely: time, bytes, memory, money, a licence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from harness.analysis.costs.projection import needed
from harness.analysis.costs.vector_bytes import INDEX, TOKENS, models_of
from harness.analysis.decision.measurements import FLY, Measurements, Option
from harness.analysis.statistics.tail import OUTCOMES, Seen, Tail
from harness.components.models import catalogue
from harness.experiment.decision_terms import Prices, Requirements, Workload
from harness.page.text import milliseconds

Verdict = Literal["in", "out", "unknown"]


class Quantity(NamedTuple):
    """What is needed, and where it depends on one, the device that it is needed on."""

    name: str
    """A key of `WORDS`."""
    device: str = ""

    def text(self, value: str) -> str:
        """A value of it, as a sentence has it."""
        return f"{value} {WORDS[self.name].unit}{self.device and f' on {self.device}'}"


class Words(NamedTuple):
    """How a quantity is called."""

    column: str
    unit: str
    """Behind a number."""
    own: str
    """That of an option."""
    general: str


WORDS = {
    "p50_ms": Words("p50 ms", "ms (median)", "its latency", "latency"),
    "p95_ms": Words("p95 ms", "ms (p95)", "its latency", "latency"),
    "gb_per_million_documents": Words(
        "GB / million docs",
        "GB of index per million documents",
        "the size of its index",
        "storage",
    ),
    "memory_gb": Words("RAM GB", "GB of RAM", "its memory", "memory"),
    "cost_per_month": Words("cost / month", "a month", "its cost", "cost"),
    "licence": Words(
        "licence", "models whose licence forbids commercial use", "its licence", "licences"
    ),
}
"""By the name of a quantity: a field of `schema.Requirements`, or `p50_ms`."""


class Amount(NamedTuple):
    """How much an option needs of a quantity, on the dataset where that is most."""

    value: float = math.nan
    """NaN where it is not known on every dataset."""
    at_least: float = math.nan
    """What it is known to reach, known whole or not."""
    high: float = math.nan
    """The upper end of its 95 % interval, inf where that has none; NaN of what is exact."""
    said: str = ""
    """What is not known of it, or how it is known."""
    low: float = math.nan
    """The lower end of its 95 % interval; NaN of what is exact."""
    doubt: float = 1.0
    """By what factor the noise of the machine may have moved it."""
    at_most: float = math.nan
    """What it is shown not to exceed, inf where nothing shows that; NaN where the value is exact."""
    tails: tuple[Tail, ...] = ()
    """Of a percentile the timed calls of each dataset, by which limits are tested."""

    @property
    def most(self) -> float:
        """What it may be by its interval, or what it is shown to keep to, and the noise; else inf."""
        return (self.upper if math.isnan(self.high) else self.high) * self.doubt

    @property
    def lower(self) -> float:
        """Every limit below is missed; NaN where nothing shows that of any."""
        return self.value if math.isnan(self.at_least) else self.at_least

    @property
    def upper(self) -> float:
        """Every limit from here on is met; inf where nothing shows that of any."""
        if math.isnan(self.at_most):
            return math.inf if math.isnan(self.value) else self.value
        return self.at_most

    def verdict(self, limit: float) -> Verdict:
        """Whether it is shown to keep to the limit, or not to; else it is neither in nor out."""
        if self.upper <= limit:
            return "in"
        return "out" if self.lower > limit else "unknown"

    def seen(self, limit: float) -> Seen | None:
        """How its calls stand to a limit, on the dataset that decides; None where none were timed."""
        found = [tail.at(limit) for tail in self.tails]
        return max(found, key=lambda seen: (OUTCOMES.index(seen.outcome), seen.p), default=None)

    def is_less(self, other: Amount) -> bool:
        """Whether it is shown to be less; never where nothing was measured of one of them.

        It is by more than their intervals, and by more than two equal arms differed.
        """
        return self.most < (other.lower if math.isnan(other.low) else other.low)


Amounts = Mapping[tuple[Option, Quantity], Amount]

Limits = Mapping[Quantity, float]
"""The most that is allowed of each quantity."""

PARTS = {
    "memory_gb": ("ram_gb", ("vectors_gb", "model_gb")),
    "cost_per_month": ("month", ("ram_month", "disk_month", "compute_month")),
}
"""By quantity its column in a projection, and the columns that it is the sum of."""

SERVED = " (a server's cost needs its price: `prices: {server_hour: ...}`)"


def limits(requirements: Requirements, devices: Sequence[str]) -> dict[Quantity, float]:
    """What is required, memory and money on each of `devices`, measured there or not."""
    given = requirements.model_dump(exclude_none=True)
    found = {Quantity("p95_ms", device): limit for device, limit in given["p95_ms"].items()}
    if "gb_per_million_documents" in given:
        found[Quantity("gb_per_million_documents")] = given["gb_per_million_documents"]
    for name in ("memory_gb", "cost_per_month"):
        if name in given:
            found |= {Quantity(name, device): given[name] for device in devices or ("",)}
    return found | ({Quantity("licence"): 0.0} if "licence" in given else {})


def amounts(
    of: Measurements,
    options: Sequence[Option],
    devices: Sequence[str],
    load: Workload | None,
    prices: Prices | None,
) -> dict[tuple[Option, Quantity], Amount]:
    """What each option needs for a workload, on each of `devices` where it depends on one."""
    found: dict[tuple[Option, Quantity], Amount] = {}
    for option in options:
        size = _greatest(of, [gigabytes(of, name, option) for name in of.datasets])
        found[option, Quantity("gb_per_million_documents")] = size
        found[option, Quantity("licence")] = _licence(of, option)
        for device in devices:
            each = [_latency(of, name, device, option, load) for name in of.datasets]
            for i, name in enumerate(("p50_ms", "p95_ms")):
                most = _greatest(of, [both[i] for both in each])._replace(doubt=of.doubt(device))
                found[option, Quantity(name, device)] = most
    if load is not None:
        found |= _served(of, options, devices, load, prices)
    return found


def _greatest(of: Measurements, parts: Sequence[Amount]) -> Amount:
    """The amount of all datasets together: the greatest, and known only where all are."""
    unknown = any(math.isnan(part.value) for part in parts)
    value = math.nan if unknown else _most(part.value for part in parts)
    most = [part for part in parts if part.value == value]
    where = [f" on {name}" * (len(parts) > 1) for name in of.datasets]
    return Amount(
        value,
        at_least=_most(part.lower for part in parts),
        high=_most(part.high for part in most),
        said="; ".join(part.said + on for part, on in zip(parts, where, strict=True) if part.said),
        low=_most(part.low for part in most),
        doubt=max((part.doubt for part in parts), default=1.0),
        at_most=max((part.upper for part in parts), default=math.inf),
        tails=tuple(one for part in parts for one in part.tails),
    )


def _most(values: Iterable[float]) -> float:
    """The greatest that is known."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def _latency(
    of: Measurements, dataset: str, device: str, option: Option, load: Workload | None
) -> tuple[Amount, Amount]:
    """Milliseconds of the whole query: the median and the 95th percentile."""
    row = of.timed(dataset, device, option, load)
    if row is None or math.isnan(row.p50):
        depth = load and option.mode != "retrieve" and f" with {load.candidates} candidates"
        said = f"its latency{depth or ''} was not measured on {device}"
        return Amount(), Amount(said=said)
    p50 = _interval(row.p50, row.p50_low, row.p50_high)
    median = f"its median on {device} is {milliseconds(row.p50)} ms"
    if row.status != "measured":
        said = f"{median} by prediction, its 95th percentile was not measured"
        return p50, Amount(at_least=1000 * row.p50, said=said)
    calls = of.tails[dataset, device][option.system, option.mode, row.k]
    known = not math.isnan(row.p95)
    p95 = _interval(row.p95, row.p95_low, row.p95_high) if known else Amount(said=median)
    return p50, p95._replace(at_least=calls.low, at_most=calls.high, tails=(calls,))


def _interval(seconds: float, low: float, high: float) -> Amount:
    """Seconds as milliseconds; a bound that the calls do not give is as far as can be."""
    return Amount(
        1000 * seconds,
        1000 * seconds,
        math.inf if math.isnan(high) else 1000 * high,
        low=0.0 if math.isnan(low) else 1000 * low,
    )


def gigabytes(of: Measurements, dataset: str, option: Option) -> Amount:
    """GB of the index per million documents, of all stages together; known where every part is."""
    retriever, reranker = (
        of.sizes.get((dataset, option.system, holder), ()) for holder in ("retriever", "reranker")
    )
    parts = [*retriever, *(() if option.mode == FLY else reranker)]
    missing = [unknown for size, unknown in parts if math.isnan(size)]
    if not retriever:
        missing.append(INDEX.format("first stage's"))
    if option.mode == "precomputed" and not reranker:
        missing.append(TOKENS)
    known = sum(size for size, _ in parts if not math.isnan(size))
    if missing:
        return Amount(at_least=known or math.nan, said="; ".join(dict.fromkeys(missing)))
    return Amount(known, known)


def _licence(of: Measurements, option: Option) -> Amount:
    """How many of the models may not be used commercially; of a trained one its base decides."""
    config = of.configs.get(option.system)
    if not config:
        return Amount(said="its models are unknown")
    names = dict.fromkeys(of.trained_from.get(name, name) for name in models_of(config))
    known = {name.removeprefix(catalogue.DUMMY): catalogue.known(name) for name in names}
    forbidden = [
        f"{name} is {model.licence}"
        for name, model in known.items()
        if model and model.commercial is False
    ]
    unknown = [
        f"the licence of {name} is unknown"
        for name, model in known.items()
        if model is None or model.commercial is None
    ]
    count = float(len(forbidden))
    return Amount(math.nan if unknown else count, count, said="; ".join([*forbidden, *unknown]))


def _served(
    of: Measurements,
    options: Sequence[Option],
    devices: Sequence[str],
    load: Workload,
    prices: Prices | None,
) -> Iterator[tuple[tuple[Option, Quantity], Amount]]:
    """Memory, and with prices money: those of the retriever and of what reranks together."""
    arms = (arm for name in of.datasets for arm in of.arms[name])
    rows = {arm.of: needed(arm, load, prices) for arm in arms}
    for option in options:
        for device in devices:
            stages = [_stages(rows, (name, device), option) for name in of.datasets]
            for name in PARTS if prices else ("memory_gb",):
                quantity = Quantity(name, device)
                each = [_sum(rows, quantity, of.doubt(device)) for rows in stages]
                yield (option, quantity), _greatest(of, each)


def _stages(
    rows: Mapping[tuple[str, ...], Mapping[str, Any]], place: tuple[str, str], option: Option
) -> list[Mapping[str, Any]]:
    """The projections of the retriever and of what reranks; empty where one was not timed."""
    modes = dict.fromkeys(["retrieve", option.mode])
    found = [rows.get((*place, option.system, mode)) for mode in modes]
    return [] if None in found else [row for row in found if row is not None]


def _sum(stages: Sequence[Mapping[str, Any]], of: Quantity, doubt: float) -> Amount:
    column, parts = PARTS[of.name]
    own = WORDS[of.name].own
    if not stages:
        return Amount(said=f"{own} was not measured on {of.device}")
    value = sum(float(row[column]) for row in stages)
    known = [x for row in stages for part in parts if not math.isnan(x := float(row[part]))]
    at_least = sum(known) if known else math.nan
    if math.isnan(value):
        said = f"{own} was measured in part on {of.device}"
        if math.isnan(sum(float(row.get("compute_month", 0)) for row in stages)):
            said += SERVED * any(row["served"] is True for row in stages)
        return Amount(at_least=at_least, said=said)
    if of.name == "memory_gb":
        return Amount(value, at_least)
    if any(row["status"] == "predicted" for row in stages):
        return Amount(value, at_least, math.inf, f"by predicted seconds on {of.device}", low=0.0)
    timed = sum(float(row["compute_month"]) for row in stages)
    moved = (value - timed + timed * doubt) / value if timed else 1.0
    return Amount(value, at_least, doubt=moved)
