"""Keys of a search as SQL conditions on the values that workitems are found by.

Attributes of one sequence must match in one and the same item of it.

Spec: PS3.4 C.2.2.2, CC.2.8.3 (2024d); PS3.18 8.3.4.1 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

from dicomweb.dicomjson import dictionary
from dicomweb.index.matching import LIST, WILDCARD, pattern
from dicomweb.index.names import fold
from dicomweb.uid import check_uid
from dicomweb.workitem.attributes import TRANSACTION_UID
from dicomweb.workitem.keys import LONGEST, UNMATCHED, moments, number
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import invalid

MOST_KEYS = 32
"""Keys of one search."""
AFTER_DIGITS = ":"
"""The character after `9`: a time given to the minute ends before it."""
DEEPEST = 4
"""Attributes in one path: more is no question that anyone has about a workitem."""
TAG = re.compile(r"[0-9A-Fa-f]{8}")
DATE = re.compile(r"\d{8}", re.ASCII)
TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)
NUMBER = re.compile(r"\s*[+-]?(?:\d{1,16}\.?\d{0,16}|\.\d{1,16})(?:[eE][+-]?\d{1,2})?\s*", re.ASCII)
RANGE = re.compile(r"(?P<low>[\d.]*(?:[+-]\d{4}(?=-|$))?)-(?P<high>[\d.]*(?:[+-]\d{4})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Path:
    """An attribute, by the tags from the outside in."""

    tags: tuple[str, ...]
    vr: str
    name: str

    @property
    def key(self) -> str:
        """The path as `workitem_key` has it."""
        return ".".join(self.tags)


def path_of(name: str) -> Path:
    """An attribute that is named by keyword or tag, inside a sequence with dots. Raises Invalid for unknown ones."""
    parts = name.split(".")
    tags = tuple(_tag(part, name) for part in parts)
    if len(tags) > DEEPEST:
        raise invalid(f"'{name[:64]}' is nested more than {DEEPEST} deep", code="not-supported")
    vrs = [dictionary.public(int(tag, 16)) or "UN" for tag in tags]
    if TRANSACTION_UID in tags or any(vr != "SQ" for vr in vrs[:-1]):
        raise invalid(f"'{name[:64]}' is no attribute that workitems are searched by", code="not-supported")
    return Path(tags, vrs[-1], name)


def _tag(part: str, name: str) -> str:
    tag = int(part, 16) if TAG.fullmatch(part) else dictionary.tag(part)
    if not tag or dictionary.public(tag) is None:
        raise invalid(f"'{name[:64]}' is no attribute that workitems are searched by", code="not-supported")
    return f"{tag:08X}"


def conditions(keys: Sequence[tuple[Path, str]], *, fuzzy: bool) -> list[Fragment]:
    """The conditions on `w.pk` that keys with a value are. Raises Invalid for malformed values."""
    groups: dict[str, list[tuple[Path, Fragment]]] = {}
    for number_, (path, value) in enumerate(keys):
        if value.strip() in ("", "*") and path.vr not in UNMATCHED:
            continue
        if path.vr in UNMATCHED:
            if value.strip():
                raise invalid(f"{path.name} is returned, but cannot be matched on", code="not-supported")
            continue
        group = path.tags[0] if len(path.tags) > 1 else f"{path.key} {number_}"
        groups.setdefault(group, []).append((path, _condition(path, value.strip(), fuzzy=fuzzy)))
    if sum(map(len, groups.values())) > MOST_KEYS:
        raise invalid(f"a search may have at most {MOST_KEYS} keys", code="too-costly")
    return [_together(group) for group in groups.values()]


def _together(group: Sequence[tuple[Path, Fragment]]) -> Fragment:
    """The condition that one item of the outermost sequence matches everything asked of it.

    Each value is tied to the one before it with which it shares the most sequences, in the same items of them.
    """
    parts, params = [], []
    for n, (path, condition) in enumerate(group):
        ties = "k0.workitem = w.pk" if n == 0 else f"k{n}.workitem = w.pk AND {_tie(group, n)}"
        parts.append(f"{ties} AND k{n}.path = %s AND {condition.sql.replace('k.', f'k{n}.')}")
        params += [path.key, *condition.params]
    sources = ", ".join(f"workitem_key k{n}" for n in range(len(group)))
    return Fragment(f"EXISTS (SELECT FROM {sources} WHERE {' AND '.join(parts)})", tuple(params))


def _tie(group: Sequence[tuple[Path, Fragment]], n: int) -> str:
    own = group[n][0].tags[:-1]
    depth, nearest = max((_shared(own, group[m][0].tags[:-1]), m) for m in range(n))
    return f"k{n}.item[1:{depth}] = k{nearest}.item[1:{depth}]"


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    return next(
        (n for n, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1), min(len(one), len(other))
    )


def _condition(path: Path, value: str, *, fuzzy: bool) -> Fragment:
    if "\0" in value:
        return Fragment("FALSE")
    if path.vr == "PN":
        return _fuzzy(value) if fuzzy else _name(value)
    return _CONDITIONS.get(path.vr, _text)(path, value)


def _text(path: Path, value: str) -> Fragment:
    del path
    if WILDCARD.search(value):
        return Fragment("k.value LIKE %s", (pattern(value),))
    return Fragment("k.value = %s", (value[:LONGEST],))


def _uid(path: Path, value: str) -> Fragment:
    return Fragment("k.value = ANY(%s)", ([check_uid(part.strip(), path.name) for part in LIST.split(value)],))


def _name(value: str) -> Fragment:
    """Each component group of the key matches some group of the name."""
    groups = [fold(group.rstrip("^ ")) for group in value.split("=") if group.strip("^ ")]
    return _all([Fragment("k.value LIKE %s", (pattern(group),)) for group in groups[:1]], groups[1:])


def _all(first: list[Fragment], further: Sequence[str]) -> Fragment:
    """The conditions of a name: the first on the row itself, the others on any of the same attribute."""
    parts = list(first) or [Fragment("TRUE")]
    for group in further:
        parts.append(
            Fragment(
                "EXISTS (SELECT FROM workitem_key g WHERE g.workitem = k.workitem AND g.path = k.path"
                " AND g.item = k.item AND g.value LIKE %s)",
                (pattern(group),),
            )
        )
    return Fragment(" AND ".join(part.sql for part in parts), tuple(param for part in parts for param in part.params))


def _fuzzy(value: str) -> Fragment:
    """Every word of the key begins some word of the name, whatever the order, as in searches of studies."""
    words = fold(re.sub(r"[\^=*?]", " ", value)).split()
    parts = [Fragment("' ' || replace(k.value, '^', ' ') LIKE %s", (f"% {pattern(word)}%",)) for word in words]
    return Fragment(
        " AND ".join(part.sql for part in parts) or "TRUE", tuple(param for part in parts for param in part.params)
    )


def _moment(path: Path, value: str) -> Fragment:
    """A moment or a range of them; what is given with less precision means all of it."""
    match = RANGE.fullmatch(value) if moments(value, UTC) is None else None
    low, high = (match["low"], match["high"]) if match else (value, value)
    spans = [moments(part, UTC) if part else None for part in (low, high)]
    if not (low or high) or any(part and span is None for part, span in zip((low, high), spans, strict=True)):
        raise invalid(f"the value of {path.name} is no DT and no range of them", code="value")
    parts = []
    if spans[0] is not None:
        parts.append(Fragment("k.value >= %s", (spans[0][0],)))
    if spans[1] is not None:
        parts.append(Fragment("k.value <= %s", (spans[1][1],)))
    return Fragment(" AND ".join(part.sql for part in parts), tuple(param for part in parts for param in part.params))


def _date(path: Path, value: str) -> Fragment:
    single = DATE if path.vr == "DA" else TIME
    low, dash, high = value.partition("-")
    high = high if dash else low
    if not (low or high) or any(part and single.fullmatch(part) is None for part in (low, high)):
        raise invalid(f"the value of {path.name} is no {path.vr} and no range of them", code="value")
    parts = [("k.value >= %s", low)] if low else []
    if high:
        parts.append(("k.value < %s", high + AFTER_DIGITS))
    return Fragment(" AND ".join(sql for sql, _ in parts), tuple(param for _, param in parts))


def _number(path: Path, value: str) -> Fragment:
    if not NUMBER.fullmatch(value):
        raise invalid(f"the value of {path.name} is no number", code="value")
    return Fragment("k.value = %s", (number(value.strip()),))


_CONDITIONS: Mapping[str, Callable[[Path, str], Fragment]] = {
    "UI": _uid,
    "DT": _moment,
    **dict.fromkeys(("DA", "TM"), _date),
    **dict.fromkeys(("DS", "IS", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"), _number),
}
"""By VR; the others are text, with wildcards."""
