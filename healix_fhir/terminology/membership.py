"""Whether a code is a member of a value set, and whether the codes of rows are: no other member is read.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-operation-validate-code.html, hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from dataclasses import dataclass

from healix_fhir.kernel.conditions import all_of
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.model.profile.code_system import GRAMMARS
from healix_fhir.terminology import catalog
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.conditions import (
    COMPLETE,
    NONE,
    Any,
    Condition,
    Group,
    Systems,
    canonical,
    groups,
    has_list,
    is_list,
    lists,
    not_at_hand,
    restricted,
)
from healix_fhir.terminology.filters import holds
from healix_fhir.terminology.members import Member, Names
from healix_fhir.terminology.sets import (
    Active,
    Both,
    Codes,
    Either,
    Named,
    Selected,
    Set,
    Supplemented,
    Without,
    leaves,
    supplements,
)
from healix_fhir.terminology.supplements import supplemented
from smart_auth.access import AccessContext


@dataclass(frozen=True, slots=True)
class Judged:
    """Of one code: the member it is, None where it is none; whether its code system, as far as it is known, has it."""

    member: Member | None
    exists: bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """A set with the code systems that it names: all that membership depends on."""

    set: Set
    systems: Systems

    def of_rows(self, alias: str) -> list[Fragment]:
        """Conditions, one of which holds of each row whose code, with its `system`, is a member.

        By themselves each is a join with concepts, or with none; together they would be asked row by row. Raises
        Invalid where the set needs a code system that is not at hand.
        """
        found = groups(self.set, self.systems)
        return [one for group in found for one in _of_group(self.set, self.systems, group, alias)]


def systems_of(access: AccessContext, found: Set) -> Work[dict[str, System | None]]:
    """The code systems that a set names, those that the caller may use, with the supplements that it names.

    Raises Invalid for a supplement that is not known, or of none of them.
    """
    named = {canonical(leaf) for leaf in leaves(found) if not isinstance(leaf, Named)}
    asked = sorted(name for name in named if name.partition("|")[0] not in GRAMMARS)
    known: dict[str, System | None] = dict.fromkeys(named)
    if asked:
        known |= yield from catalog.find_each(access, asked)
    return (yield from supplemented(access, known, dict.fromkeys(supplements(found))))


def judge(found: Set, systems: Systems, system: str | None, version: str | None, code: str) -> Work[Judged]:
    """Whether `code` of `system` (None: of whichever the set has) is a member.

    Raises Invalid where a code system that would have to be asked is not at hand.
    """
    asked = [group for group in groups(found, systems) if system in (None, group.url) and _meant(group, version)]
    names = Names(found)
    exists: bool | None = None
    for group in asked:
        if group.url in GRAMMARS:
            exists = GRAMMARS[group.url](code)
            if exists and by_grammar(found, group.url, code):
                return Judged(_as_listed(names, group, code), exists)
            continue
        if group.system is None:
            condition = restricted(found, group, systems)
            if lists(condition, code):
                return Judged(_as_listed(names, group, code), None)
            continue
        judged = yield from _asked(found, systems, group, code, names)
        if judged.member is not None:
            return judged
        exists = exists or judged.exists
    return Judged(None, exists)


def _meant(group: Group, version: str | None) -> bool:
    return not version or group.shown_version is None or catalog.fits(group.shown_version, version)


def _as_listed(names: Names, group: Group, code: str) -> Member:
    own = names.of(group, code)
    return Member(group, None, code, None, listed=own)


def _asked(found: Set, systems: Systems, group: Group, code: str, names: Names) -> Work[Judged]:
    assert group.system is not None
    condition = restricted(found, group, systems)
    asked = holds(condition, group.system, key="a.key")
    rows = yield Statement(
        f"""SELECT c.n, c.code, c.display, c.inactive, c.abstract, ({asked.sql}) IS TRUE
            FROM (SELECT %s::text AS key) a LEFT JOIN concept c ON c.system = %s AND c.key = a.key""",
        (*asked.params, group.system.key(code), group.system.id),
    )
    n, written, display, inactive, abstract, member = rows[0]
    complete = group.system.content == COMPLETE
    exists = True if n is not None else (False if complete else None)
    if not member:
        return Judged(None, exists)
    own = names.of(group, code)
    return Judged(Member(group, n, written or code, display, bool(inactive), bool(abstract), own), exists)


def by_grammar(found: Set, system: str, code: str) -> bool:
    """Whether a code of a system that is defined by a grammar is a member. Raises Invalid where a filter would tell."""
    match found:
        case Codes(url, _, concepts):
            return url == system and any(one.code == code for one in concepts)
        case Selected(url, _, filters):
            if url == system and filters:
                raise not_at_hand(system)
            return url == system and GRAMMARS[system](code)
        case Both(several):
            return all(by_grammar(one, system, code) for one in several)
        case Either(several):
            return any(by_grammar(one, system, code) for one in several)
        case Without(kept, dropped):
            return by_grammar(kept, system, code) and not by_grammar(dropped, system, code)
        case Active(inner) | Supplemented(inner):
            return by_grammar(inner, system, code)
        case Named(name):
            raise AssertionError(name)


def _of_group(found: Set, systems: Systems, group: Group, alias: str) -> list[Fragment]:
    condition = restricted(found, group, systems)
    if condition == NONE:
        return []
    parts = condition.conditions if isinstance(condition, Any) else (condition,)
    return [_of_part(part, group, alias) for part in parts]


def _of_part(condition: Condition, group: Group, alias: str) -> Fragment:
    of = Fragment(f"{alias}.system = %s", (group.url,))
    key = f"lower({alias}.code)" if group.folds else f"{alias}.code"
    asked = holds(condition, group.system, key=key)
    if group.system is None or is_list(condition):
        return all_of([of, asked])
    own = Fragment(f"c.system = %s AND c.key = {key}", (group.system.id,))
    if not has_list(condition):
        there = all_of([own, asked])
        return all_of([of, Fragment(f"EXISTS (SELECT FROM concept c WHERE {there.sql})", there.params)])
    looked = f"(SELECT {asked.sql} FROM (VALUES (1)) one LEFT JOIN concept c ON {own.sql})"
    return all_of([of, Fragment(looked, (*asked.params, *own.params))])
