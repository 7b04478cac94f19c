"""The rules in force as one process knows them: compiled, and found by the codes that they ask for.

Each change of a rule has a stamp, in the order in which the changes are committed. So one small statement tells what
is new since the last look, and no rule is missed or used in a state that another worker has already replaced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from healix_fhir.care.alerts.reading import plan_of
from healix_fhir.care.alerts.rule import Code, Rule
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.model.json import decode_stored

CHANGED = """SELECT source, stamp, plans, pats, starts, ends FROM alert_rule WHERE stamp > %s ORDER BY stamp"""


class Held(msgspec.Struct, frozen=True):
    """A rule of a source (`Type/id`), for the patients `pats` (None: all), from when until when.

    `own` tells that a patient's own plan has put it in force.
    """

    key: str
    source: str
    rule: Rule
    pats: frozenset[int] | None
    starts: datetime | None
    ends: datetime | None
    own: bool

    def concerns(self, pat: int, moment: datetime) -> bool:
        """Whether the rule is for a patient, at that time."""
        return (
            (self.pats is None or pat in self.pats)
            and (self.starts is None or self.starts <= moment)
            and (self.ends is None or moment < self.ends)
        )


class Book:
    """The rules by source and by code; `load` brings them up to date."""

    def __init__(self) -> None:
        self._stamp = -1
        self._of: dict[str, list[Held]] = {}
        self._by_key: dict[str, Held] = {}
        self._general: dict[Code, list[Held]] = {}
        self._named: dict[tuple[Code, int], list[Held]] = {}
        self.codes: tuple[str, ...] = ()

    def load(self) -> Work[None]:
        """Take over what has changed."""
        rows = yield Statement(CHANGED, (self._stamp,))
        if not rows:
            return
        for row in rows:
            held = list(_held(row))
            self._of[row[0]] = held
            if not held:
                del self._of[row[0]]
        self._stamp = rows[-1][1]
        self._index()

    def find(self, key: str) -> Held | None:
        """The rule with this key, while it is in force."""
        return self._by_key.get(key)

    def of(self, source: str) -> Sequence[Held]:
        """The rules of a source."""
        return self._of.get(source, ())

    def concerning(self, codings: Iterable[Code], pat: int) -> list[Held]:
        """The rules that ask for Observations with one of these codings, of this patient, each once."""
        found: dict[str, Held] = {}
        for system, code in codings:
            for known in ((system, code), (None, code)):
                for held in (*self._general.get(known, ()), *self._named.get((known, pat), ())):
                    found[held.key] = held
        return list(found.values())

    def _index(self) -> None:
        general: dict[Code, list[Held]] = defaultdict(list)
        named: dict[tuple[Code, int], list[Held]] = defaultdict(list)
        self._by_key = {held.key: held for source in self._of.values() for held in source}
        for held in self._by_key.values():
            for code in held.rule.codes:
                if held.pats is None:
                    general[code].append(held)
                for pat in held.pats or ():
                    named[code, pat].append(held)
        self._general, self._named = dict(general), dict(named)
        self.codes = tuple({code for held in self._by_key.values() for _, code in held.rule.codes})


def _held(row: Row) -> Iterator[Held]:
    source, _, plans, pats, starts, ends = row
    own = source.startswith("CarePlan/")
    for number, rules in enumerate(_rules(bytes(plans))):
        mark = f"{source}#{number}." if number else f"{source}#"
        for rule in rules:
            yield Held(mark + rule.name, source, rule, None if pats is None else frozenset(pats), starts, ends, own)


@lru_cache(maxsize=4096)
def _rules(plans: bytes) -> tuple[tuple[Rule, ...], ...]:
    """The rules of a list of plans: many patients have the same one."""
    listed: list[dict[str, Any]] = decode_stored(plans) if plans else []  # type: ignore[assignment]
    return tuple(plan_of(plan).rules for plan in listed)
