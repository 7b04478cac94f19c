"""The patients that an account sees, as lines of a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec

from healix_fhir.interaction.result import Page
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.pages.present import Person, person
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.scope import parse

PATIENTS = 25


@dataclass(frozen=True, slots=True)
class People:
    """A page of patients; `next` is the cursor of the one after it."""

    persons: list[Person]
    next: str | None


async def people(site: Site, access: AccessContext, name: str, cursor: str | None) -> People:
    """A page of the patients whose name begins with `name`."""
    params = [("_count", str(PATIENTS))] + ([("name", literal(name))] if name else [])
    found = await site.interactions.search(access, "Patient", params + ([("_cursor", cursor)] if cursor else []))
    return People([person(one) for one in resources(found)], cursor_of(found))


def own_first(persons: list[Person], own: str | None) -> list[Person]:
    """The same patients, with one's own record before those of others."""
    return sorted(persons, key=lambda one: one.id != own)


def cursor_of(found: Page) -> str | None:
    """The cursor of the page after this one."""
    following = found.links.get("next", "")
    cursors = parse_qs(following.partition("?")[2] or following).get("_cursor")
    return cursors[0] if cursors else None


async def may_see(site: Site, access: AccessContext, patient: str, encounter: str | None = None) -> bool:
    """Whether the account sees this patient, and this encounter of the patient."""
    if encounter is not None and not await _finds(
        site, access, "Encounter", [("_id", encounter), ("patient", f"Patient/{patient}")]
    ):
        return False
    return await _finds(site, access, "Patient", [("_id", patient)])


async def sees(site: Site, access: AccessContext, reference: str) -> bool:
    """Whether the account sees what `Type/ID` refers to, whatever the pages show of it."""
    kind, _, id_ = reference.partition("/")
    if kind not in TYPE_ID:
        return False
    wider = msgspec.structs.replace(access, scopes=parse(f"user/{kind}.rs"))
    return await _finds(site, wider, kind, [("_id", id_)])


async def _finds(site: Site, access: AccessContext, kind: str, params: list[tuple[str, str]]) -> bool:
    found = await site.interactions.search(access, kind, params)
    return any(entry.mode == "match" for entry in found.entries)


async def one(site: Site, access: AccessContext, id_: str) -> Person | None:
    """One patient; None when the account does not see that one."""
    found = await site.interactions.search(access, "Patient", [("_id", id_)])
    return next((person(resource) for resource in resources(found)), None)


def resources(found: Page) -> Iterator[dict[str, Any]]:
    """The matches of a search."""
    return (decode(entry.body) for entry in found.entries if entry.body is not None and entry.mode == "match")


def literal(text: str) -> str:
    """A search value that means `text` and no list. Spec: FHIR R4, hl7.org/fhir/R4/search.html#escaping"""
    return "".join(f"\\{character}" if character in "\\,$|" else character for character in text)
