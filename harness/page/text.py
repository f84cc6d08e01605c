"""Words and numbers as a reader sees them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

NONE = "n/a"
"""What was not measured, or what too few calls do not carry."""


def counted(count: int, one: str, many: str = "") -> str:
    """`1 hit`, `2,000 queries`: the number with what it counts; `many` where no rule makes it."""
    many = many or re.sub("(?<![aeiou])y$", "ie", one) + "s"
    return f"{count:,} {one if count == 1 else many}"


TIMES = 10
"""If it takes this many times the queries that there are, the number is a guess; nobody acts on it."""


def more_queries(needed: float, there: int) -> str:
    """How many more queries it takes if `needed` would settle something; inf: no number would."""
    if not needed <= TIMES * there:
        return f"more than {TIMES} times as many queries"
    missing = round(float(f"{max(needed - there, 1):.2g}"))
    return f"about {counted(missing, 'more query')}"


def shortened(names: Sequence[str], width: int) -> Mapping[str, str]:
    """By name at most `width` characters of it, or as many more as it takes to tell all apart.

    A name loses a part that the long ones can spare: from its middle where that will do, since
    those made by `vary` differ at the end.
    """
    longest = max(map(len, names), default=0)
    for wide in range(width, longest):
        for start in sorted(range(wide), key=lambda start: abs(start - wide // 2)):
            found = {name: _cut(name, start, wide) for name in names}
            if len(set(found.values())) == len(found):
                return found
    return {name: name for name in names}


def _cut(name: str, start: int, width: int) -> str:
    """`name` without what is too much of it after `start`."""
    return name if len(name) <= width else f"{name[:start]}…{name[len(name) - width + 1 + start :]}"


VARIED = re.compile(r"(?P<name>.+?)\[(?P<settings>[\w.]+=[^\[\]]*)\](?P<rest>.*)", re.DOTALL)
"""The name that `vary` makes: the system's, then its settings in brackets."""


def family(name: str) -> str:
    """What variants of one system have in common: the name without the settings that differ."""
    found = VARIED.fullmatch(name)
    return f"{found['name']}{found['rest']}" if found else name


def settings(name: str) -> dict[str, str]:
    """The settings in which a variant differs from others, by their names."""
    found = VARIED.fullmatch(name)
    parts = found["settings"].split(",") if found else ()
    return {key: value for key, _, value in (part.partition("=") for part in parts)}


def brief(name: str) -> str:
    """A variant's name where there is little room: `colbert 64 int8`."""
    found = VARIED.fullmatch(name)
    if not found:
        return name
    return f"{' '.join([found['name'], *settings(name).values()])}{found['rest']}"


def spoken(name: str) -> str:
    """A variant's name as a sentence has it: `colbert at 64 dimensions, int8`."""
    found = VARIED.fullmatch(name)
    if not found:
        return name
    words = {"dim": " at {} dimensions", "precision": ", {}"}
    own = (words.get(key, f", {key} {{}}").format(value) for key, value in settings(name).items())
    return f"{found['name']}{''.join(own)}{found['rest']}"


def sentence_case(text: str) -> str:
    """`text` with a capital first letter, its others as they are."""
    return text[:1].upper() + text[1:]


BEGINNING = 240
"""Characters of a text that a reader is shown."""


def beginning(text: str) -> str:
    """The first BEGINNING characters of `text`, and whether that is not all."""
    return text[:BEGINNING] + "…" * (len(text) > BEGINNING)


def listed(words: Sequence[str], last: str = ", ", most: float = math.inf) -> str:
    """`a, b, c`, with `last` before the last word; if there are more than `most`, `12 systems`."""
    if len(words) > most:
        return f"{len(words)} systems"
    return last.join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def percent(share: float, places: int = 0) -> str:
    """A share as `40 %`."""
    return f"{100 * share:.{places}f} %"


def interval(low: float, high: float, form: str = "+.3f", without: str = "[no interval]") -> str:
    """Bounds in brackets; `without` where there are none."""
    return without if math.isnan(low) else f"[{low:{form}}, {high:{form}}]"


def change(value: float, low: float, high: float, form: str = "+.3f", of: str = "") -> str:
    """A difference with its interval; `of` is what differs."""
    return f"{value:{form}} {of and f'{of} '}{interval(low, high)}"


def chance(p: float, places: int = 4) -> str:
    """A p; a very small one is written as a bound."""
    least = 10**-places
    return f"p < {least:.{places}f}" if p < least else f"p = {p:.{places}f}"


def number(value: float, form: str = ",.0f") -> str:
    """`value` in this format; NONE for NaN."""
    return NONE if math.isnan(value) else format(value, form)


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, and commas between thousands; NONE for NaN."""
    if math.isnan(value):
        return NONE
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    return f"{round(value, places):,.{max(places, 0)}f}"


def rounded_up(value: float) -> float:
    """`value` rounded up to three significant digits, so that it is still a bound."""
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.ceil(value / step - 1e-9) * step


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds with three significant digits; NONE for NaN."""
    return significant(1000 * seconds)


def bracketed(seconds: float, low: float, high: float) -> str:
    """Seconds as milliseconds with an interval, of which a bound may be unknown."""
    if math.isnan(seconds) or (math.isnan(low) and math.isnan(high)):
        return milliseconds(seconds)
    bounds = ("-" if math.isnan(bound) else milliseconds(bound) for bound in (low, high))
    return f"{milliseconds(seconds)} [{', '.join(bounds)}]"


def times_as_fast(ratio: float, low: float, high: float) -> str:
    """By a ratio of seconds with its interval, of which both bounds may be unknown."""
    if math.isnan(ratio):
        return NONE
    bounds = f"{significant(1 / high)}, {significant(1 / low)}"
    return f"{significant(1 / ratio)} [{'no interval' if math.isnan(low + high) else bounds}]"


def unique(name: str, taken: set[str]) -> str:
    """`name`, with a number if it is among those `taken`, which it joins; case tells none apart."""
    free, number = name, 1
    while free.casefold() in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free.casefold())
    return free
