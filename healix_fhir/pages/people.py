"""The patients that an account sees, as lines of a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from healix_fhir.interaction.result import Page
from healix_fhir.model.json import decode
from healix_fhir.pages.present import Person, person
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext

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
    following = found.links.get("next", "")
    cursors = parse_qs(following.partition("?")[2] or following).get("_cursor")
    return People([person(one) for one in resources(found)], cursors[0] if cursors else None)


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
