"""What a Bundle must have to be kept as a document: a name, a time, and a Composition that leads the rest.

Spec: FHIR R4, hl7.org/fhir/R4/documents.html, hl7.org/fhir/R4/bundle.html#invs (bdl-9, bdl-10, bdl-11)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from healix_fhir.kernel.errors import Category, HealixError, Issue

DOCUMENT = "document"


def check(bundle: dict[str, Any]) -> None:
    """Raise Unprocessable with every issue for a valid Bundle of type document that is none."""
    issues = tuple(_issues(bundle)) if bundle.get("type") == DOCUMENT else ()
    if issues:
        raise HealixError(Category.UNPROCESSABLE, issues[0].message, issues=issues)


def _issues(bundle: dict[str, Any]) -> Iterator[Issue]:
    identifier = bundle.get("identifier", {})
    if "system" not in identifier or "value" not in identifier:
        yield _issue("a document has an identifier with system and value (bdl-9)", "identifier")
    if "timestamp" not in bundle:
        yield _issue("a document has a timestamp (bdl-10)", "timestamp")
    entries = bundle.get("entry", [])
    first = entries[0].get("resource", {}).get("resourceType") if entries else None
    if first != "Composition":
        yield _issue("the first entry of a document is its Composition (bdl-11)", "entry")
    for number, entry in enumerate(entries):
        if "resource" not in entry or "fullUrl" not in entry:
            yield _issue("each entry of a document has a resource with its fullUrl", f"entry[{number}]")


def _issue(message: str, path: str) -> Issue:
    return Issue("invariant", message, (f"Bundle.{path}",))
