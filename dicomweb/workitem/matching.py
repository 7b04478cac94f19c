"""Keys of a search as SQL conditions on the values that workitems are found by.

Attributes of one sequence must match in one and the same item of it.

Spec: PS3.4 C.2.2.2, CC.2.8.3 (2024d); PS3.18 8.3.4.1 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from dicomweb.dicomjson import dictionary
from dicomweb.index import naming
from dicomweb.index.matching import LIST, WILDCARD, pattern
from dicomweb.index.names import fold, folded, sought
from dicomweb.uid import check_uid
from dicomweb.workitem.attributes import START, TRANSACTION_UID
from dicomweb.workitem.keys import LONGEST, UNMATCHED, WORDS, moments, number, private
from dicomweb.workitem.marks import of_beginning, of_code, of_pattern, of_value
from healix_fhir.kernel.conditions import NOTHING, all_of
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import HealixError, invalid

MOST_KEYS = 32
"""Keys of one search."""
AFTER_DIGITS = ":"
"""The character after `9`: a time given to the minute ends before it."""
DEEPEST = 4
"""Attributes in one path: more is no question that anyone has about a workitem."""
DATE = re.compile(r"\d{8}", re.ASCII)
TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)
NUMBER = re.compile(r"\s*[+-]?(?:\d{1,16}\.?\d{0,16}|\.\d{1,16})(?:[eE][+-]?\d{1,2})?\s*", re.ASCII)
RANGE = re.compile(r"(?P<low>[\d.]*(?:[+-]\d{4}(?=-|$))?)-(?P<high>[\d.]*(?:[+-]\d{4})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Path:
    """An attribute, by the parts of its path from the outside in (see `keys.part`); of a private one `vr` is empty."""

    tags: tuple[str, ...]
    vr: str
    name: str

    @property
    def key(self) -> str:
        """The path as `workitem_key` has it."""
        return ".".join(self.tags)


def path_of(name: str, creators: naming.Creators = naming.NONE) -> Path:
    """An attribute that is named by keyword or tag, inside a sequence with dots; a private one with its creator, or
    with one of the `creators` of blocks. Raises Invalid for unknown ones.
    """
    if not naming.is_name(name) or TRANSACTION in (steps := naming.steps(naming.canonical(name, creators))):
        raise invalid(f"'{name[:64]}' is no attribute that workitems are searched by", code="not-supported")
    if len(steps) > DEEPEST:
        raise invalid(f"'{name[:64]}' is nested more than {DEEPEST} deep", code="not-supported")
    vrs = ["" if step.creator else dictionary.public(step.tag) for step in steps]
    if None in vrs or any(vr not in ("SQ", "") for vr in vrs[:-1]):
        raise invalid(f"'{name[:64]}' is no attribute that workitems are searched by", code="not-supported")
    return Path(tuple(map(_part, steps)), vrs[-1] or "", name)


TRANSACTION = naming.Step(int(TRANSACTION_UID, 16))


def _part(step: naming.Step) -> str:
    return private(step.key[:4], step.key[6:], step.creator) if step.creator else step.key


def is_searchable(name: str) -> bool:
    """Whether that names an attribute, be it private, and its creator not told, or what reserves a private block."""
    if naming.is_creator(name):
        return True
    try:
        path_of(name)
    except HealixError:
        return naming.is_private_name(name)
    return True


@dataclass(frozen=True, slots=True)
class Asked:
    """What a key asks of the values `k` of an attribute, and the marks of workitems that have such a value.

    Of each of `marks` a workitem has some. `whole`: the value, where it is asked for as a whole. `path`: where the
    values stand, if it is not where those of the attribute do.
    """

    condition: Fragment
    marks: tuple[tuple[int, ...], ...] = ()
    whole: str | None = None
    path: str = ""


Group = list[tuple[Path, Asked]]


def conditions(keys: Sequence[tuple[Path, str]], *, fuzzy: bool) -> list[Fragment]:
    """The conditions on `w.pk` that keys with a value are. Raises Invalid for malformed values."""
    groups: dict[str, Group] = {}
    for number_, (path, value) in enumerate(keys):
        if value.strip() in ("", "*") and path.vr not in UNMATCHED:
            continue
        if path.vr in UNMATCHED:
            if value.strip():
                raise invalid(f"{path.name} is returned, but cannot be matched on", code="not-supported")
            continue
        group = path.tags[0] if len(path.tags) > 1 else f"{path.key} {number_}"
        groups.setdefault(group, []).append((path, _asked(path, value.strip(), fuzzy=fuzzy)))
    if sum(map(len, groups.values())) > MOST_KEYS:
        raise invalid(f"a search may have at most {MOST_KEYS} keys", code="too-costly")
    return [_marked(group) for group in groups.values()]


def _marked(group: Group) -> Fragment:
    """The condition of a group: the mark of a value or code says all; what other marks find is looked at again, row by
    row, which the planner is not to reckon with.

    When a step is to begin, by which the list is ordered, is a column.
    """
    if group[0][0].key == START:
        return all_of([Fragment("w.scheduled <> ''"), *(_scheduled(asked.condition) for _, asked in group)])
    whole = {path.key: asked.whole for path, asked in group if asked.whole is not None}
    if len(whole) == len(group) and (found := _whole_mark(whole)) is not None:
        return _all_marked([found])
    marked = _marks(group, whole)
    rows = _rows(group)
    if not marked:
        return Fragment(f"EXISTS (SELECT {rows.sql})", rows.params)
    return all_of([*marked, Fragment(f"coalesce((SELECT TRUE {rows.sql} LIMIT 1), FALSE)", rows.params)])


def _scheduled(condition: Fragment) -> Fragment:
    return Fragment(condition.sql.replace("k.value", "w.scheduled"), condition.params)


def _whole_mark(whole: Mapping[str, str]) -> int | None:
    """The mark that says all of one value, or of a code with its scheme."""
    if len(whole) == 1:
        return next(of_value(path, value) for path, value in whole.items())
    return of_code(whole)


def _all_marked(wanted: Iterable[int]) -> Fragment:
    return Fragment("w.marks @> %s::bigint[]", (sorted(wanted),))


def _marks(group: Group, whole: Mapping[str, str]) -> list[Fragment]:
    wanted = {of_value(path, value) for path, value in whole.items()}
    found = []
    for _, asked in group:
        wanted |= {alternatives[0] for alternatives in asked.marks if len(alternatives) == 1}
        several = (alternatives for alternatives in asked.marks if len(alternatives) > 1)
        found += [Fragment("w.marks && %s::bigint[]", (list(alternatives),)) for alternatives in several]
    return [_all_marked(wanted), *found] if wanted else found


def _rows(group: Group) -> Fragment:
    """The values of one item of the outermost sequence that match everything asked of it.

    Each value is tied to the one before it with which it shares the most sequences, in the same items of them.
    """
    parts, params = [], []
    for n, (path, asked) in enumerate(group):
        ties = "k0.workitem = w.pk" if n == 0 else f"k{n}.workitem = w.pk AND {_tie(group, n)}"
        parts.append(f"{ties} AND k{n}.path = %s AND {asked.condition.sql.replace('k.', f'k{n}.')}")
        params += [asked.path or path.key, *asked.condition.params]
    sources = ", ".join(f"workitem_key k{n}" for n in range(len(group)))
    return Fragment(f"FROM {sources} WHERE {' AND '.join(parts)}", tuple(params))


def _tie(group: Group, n: int) -> str:
    own = group[n][0].tags[:-1]
    depth, nearest = max((_shared(own, group[m][0].tags[:-1]), m) for m in range(n))
    return f"k{n}.item[1:{depth}] = k{nearest}.item[1:{depth}]"


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    return next(
        (n for n, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1), min(len(one), len(other))
    )


def _asked(path: Path, value: str, *, fuzzy: bool) -> Asked:
    if "\0" in value:
        return Asked(NOTHING)
    if not path.vr:
        return _private(path, value)
    if path.vr == "PN":
        return _fuzzy(path, value) if fuzzy else _name(path, value)
    return _CONDITIONS.get(path.vr, _text)(path, value)


def _private(path: Path, value: str) -> Asked:
    """A value of which nobody knows what it represents: as a text, a number or a name."""
    forms = [value[:LONGEST], fold(value)[:LONGEST]]
    if WILDCARD.search(value):
        return Asked(Fragment("k.value LIKE ANY(%s)", ([pattern(one) for one in forms],)))
    if NUMBER.fullmatch(value):
        forms.append(number(value.strip()))
    return Asked(Fragment("k.value = ANY(%s)", (forms,)), (tuple({of_value(path.key, one) for one in forms}),))


def _text(path: Path, value: str) -> Asked:
    if WILDCARD.search(value):
        marks = tuple((mark,) for mark in of_pattern(path.key, WILDCARD.split(value)))
        return Asked(Fragment("k.value LIKE %s", (pattern(value),)), marks)
    return _whole(value[:LONGEST])


def _whole(value: str) -> Asked:
    return Asked(Fragment("k.value = %s", (value,)), whole=value)


def _uid(path: Path, value: str) -> Asked:
    uids = [check_uid(part.strip(), path.name) for part in LIST.split(value)]
    if len(uids) == 1:
        return _whole(uids[0])
    marks = tuple(of_value(path.key, uid) for uid in uids)
    return Asked(Fragment("k.value = ANY(%s)", (uids,)), (marks,))


def _name(path: Path, value: str) -> Asked:
    """Each component group of the key matches some group of the name."""
    groups = folded(value)
    marks = (mark for group in groups for mark in _of_group(path.key, group))
    asked = _named(path.key, [Fragment("k.value LIKE %s", (pattern(group),)) for group in groups])
    return replace(asked, marks=tuple((mark,) for mark in marks))


def _of_group(path: str, group: str) -> list[int]:
    return of_pattern(path, WILDCARD.split(group)) if WILDCARD.search(group) else [of_value(path, group)]


def _fuzzy(path: Path, value: str) -> Asked:
    """Spec: PS3.4 C.2.2.2.1.1 (2024d); see dicomweb/index/names.py for what it means here."""
    of_words = f"{path.key}{WORDS}"
    wanted = sought(value)
    begun = [Fragment("k.value LIKE ANY(%s)", ([f"{pattern(one)}%" for one in spellings],)) for spellings in wanted]
    marks = (tuple({of_beginning(of_words, one) for one in spellings}) for spellings in wanted)
    return replace(_named(of_words, begun), marks=tuple(marks))


def _named(path: str, wanted: Sequence[Fragment]) -> Asked:
    """Of the values of a name, of its groups or of its words, some match one condition, and some another."""
    further = (
        Fragment(
            "EXISTS (SELECT FROM workitem_key g WHERE g.workitem = k.workitem AND g.path = %s"
            f" AND g.item = k.item AND {one.sql.replace('k.', 'g.')})",
            (path, *one.params),
        )
        for one in wanted[1:]
    )
    return Asked(all_of([*wanted[:1], *further]), path=path)


def _moment(path: Path, value: str) -> Asked:
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
    return Asked(all_of(parts))


def _date(path: Path, value: str) -> Asked:
    single = DATE if path.vr == "DA" else TIME
    low, dash, high = value.partition("-")
    high = high if dash else low
    if not (low or high) or any(part and single.fullmatch(part) is None for part in (low, high)):
        raise invalid(f"the value of {path.name} is no {path.vr} and no range of them", code="value")
    parts = [("k.value >= %s", low)] if low else []
    if high:
        parts.append(("k.value < %s", high + AFTER_DIGITS))
    return Asked(Fragment(" AND ".join(sql for sql, _ in parts), tuple(param for _, param in parts)))


def _number(path: Path, value: str) -> Asked:
    if not NUMBER.fullmatch(value):
        raise invalid(f"the value of {path.name} is no number", code="value")
    return _whole(number(value.strip()))


_CONDITIONS: Mapping[str, Callable[[Path, str], Asked]] = {
    "UI": _uid,
    "DT": _moment,
    **dict.fromkeys(("DA", "TM"), _date),
    **dict.fromkeys(("DS", "IS", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"), _number),
}
"""By VR; the others are text, with wildcards."""
