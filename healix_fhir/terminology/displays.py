"""What concepts are called: in a language, and by all their designations.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-definitions.html#ValueSet.expansion.contains.designation
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.concepts import designations
from healix_fhir.terminology.content import Designation, speaks
from healix_fhir.terminology.members import Member

Json = dict[str, Any]
LANGUAGE = "urn:ietf:bcp:47"


def called(members: Sequence[Member]) -> Work[list[list[Json]]]:
    """The designations of each member: those that the value set has for them, then those of their code systems."""
    by_system: dict[int, tuple[System, list[int]]] = {}
    for member in members:
        if member.group.system is not None and member.n is not None:
            by_system.setdefault(member.group.system.id, (member.group.system, []))[1].append(member.n)
    known: dict[int, Mapping[int, list[Designation]]] = {}
    for id_, (system, numbers) in by_system.items():
        known[id_] = yield from designations(system, numbers)
    return [[*_listed(member), *map(_written, _of_system(member, known))] for member in members]


def _listed(member: Member) -> list[Json]:
    return [] if member.listed is None else [dict(one) for one in member.listed.designations]


def _of_system(member: Member, known: Mapping[int, Mapping[int, list[Designation]]]) -> Iterable[Designation]:
    if member.group.system is None or member.n is None:
        return ()
    return known[member.group.system.id].get(member.n, ())


def _written(found: Designation) -> Json:
    use = {
        name: value
        for name, value in (("system", found.use_system), ("code", found.use_code), ("display", found.use_display))
        if value is not None
    }
    return (
        ({"language": found.language} if found.language else {})
        | ({"use": use} if use else {})
        | {"value": found.value}
    )


def display(member: Member, designated: Iterable[Json], language: str | None) -> str | None:
    """What a member is called: in the language that is asked for, as the value set says, as its code system does."""
    if language:
        for one in designated:
            if speaks(str(one.get("language", "")), language):
                return str(one["value"])
    own = member.listed.display if member.listed is not None else None
    return own or member.display


def chosen(designated: Iterable[Json], tokens: Sequence[str]) -> list[Json]:
    """The designations of one of the uses or languages that `system|code` tokens name; all of no tokens."""
    wanted = [_token(token) for token in tokens]
    return [one for one in designated if not wanted or any(_is(one, *token) for token in wanted)]


def _token(token: str) -> tuple[str, str]:
    system, bar, code = token.rpartition("|")
    if not code or (bar and not system):
        raise invalid(f"designation: '{token[:100]}' is no use or language, as system|code", code="value")
    return system, code


def _is(designated: Json, system: str, code: str) -> bool:
    if system in ("", LANGUAGE) and speaks(str(designated.get("language", "")), code):
        return True
    use = designated.get("use") or {}
    return use.get("code") == code and system in ("", use.get("system"))
