"""A batch or transaction as requests, and where in it something is refused.

What can be refused without the database is refused entry by entry, so that a transaction can report all of it at once
and a batch each with its entry.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction, hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from healix_fhir.interaction.accept import of_type
from healix_fhir.interaction.entry import is_operation, read_entry
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import Category, HealixError, Issue, invalid
from healix_fhir.model.json import decode
from healix_fhir.model.references import references
from healix_fhir.model.validate import check

KINDS = ("batch", "transaction")
ORDER = (("DELETE",), ("POST",), ("PUT", "PATCH"), ("GET", "HEAD"))
"""The methods in the order in which R4 has them processed."""


OPERATIONS = 100
"""The operations that one bundle may call: each may take as much as a request of its own."""


class Parcel(msgspec.Struct, frozen=True):
    """A whole bundle: each entry's request, or why it is refused."""

    kind: str
    entries: tuple[Wanted | HealixError, ...]


def open_bundle(body: bytes, bases: tuple[str, ...]) -> Parcel:
    """Read a bundle. Raises Invalid when the bundle itself (not only an entry) is wrong."""
    bundle = decode(body)
    of_type(bundle, "Bundle")
    entries = bundle.get("entry", [])
    resources = [
        entry.pop("resource", None) if isinstance(entry, dict) else None
        for entry in (entries if isinstance(entries, list) else [])
    ]  # validated entry by entry, not as part of the bundle
    bare = [number for number, (entry, held) in enumerate(zip(entries, resources, strict=False)) if held and not entry]
    if bare:
        raise at_entry(bare[0], invalid("the entry has no request", code="required"))
    check(bundle, "Bundle")
    kind = bundle.get("type")  # an extension may stand in its place
    if kind not in KINDS:
        raise invalid(f"a Bundle of type {kind} cannot be run; send a batch or transaction", code="value")
    asked = _within_limits(
        _read(n, entry, resource, bases) for n, (entry, resource) in enumerate(zip(entries, resources, strict=True))
    )
    return Parcel(kind, tuple(_independent(tuple(asked)) if kind == "batch" else asked))


def _within_limits(entries: Iterable[Wanted | HealixError]) -> Iterator[Wanted | HealixError]:
    """The entries, but of the operations too many."""
    operations = 0
    for entry in entries:
        if isinstance(entry, Wanted) and is_operation(entry.path):
            operations += 1
            if operations > OPERATIONS:
                message = f"a bundle calls at most {OPERATIONS} operations"
                yield at_entry(entry.number, HealixError(Category.UNPROCESSABLE, message, code="too-costly"))
                continue
        yield entry


def _independent(entries: Sequence[Wanted | HealixError]) -> Iterator[Wanted | HealixError]:
    """The entries of a batch, but of those that refer to an entry by its URN: nothing would ever be there."""
    names = {
        entry.full_url
        for entry in entries
        if isinstance(entry, Wanted) and entry.full_url is not None and entry.full_url.startswith("urn:")
    }
    for entry in entries:
        refused = _dependent(entry, names) if isinstance(entry, Wanted) and names else None
        yield refused or entry


def _dependent(entry: Wanted, names: Container[str]) -> HealixError | None:
    if entry.resource is None or not entry.writes:
        return None
    for location, reference in references(entry.resource):
        if reference.partition("#")[0] in names:
            message = (
                f"{reference[:100]} is an entry of this batch: only those of a transaction can refer to each other"
            )
            return at_entry(entry.number, invalid(message, code="value", expression=(location,)))
    return None


def openings(parcel: Parcel, body: bytes, bases: tuple[str, ...]) -> Iterator[Parcel]:
    """The parcel of `body`, and then fresh ones: a transaction changes its parcel, trying again needs another."""
    yield parcel
    while True:
        yield open_bundle(body, bases)


def _read(number: int, entry: dict[str, Any], resource: object, bases: tuple[str, ...]) -> Wanted | HealixError:
    try:
        return read_entry(number, entry, resource, bases)
    except HealixError as error:
        return at_entry(number, error)


def at_entry(number: int, error: HealixError) -> HealixError:
    """`error` with its issues' locations inside the bundle: `Patient.name` becomes `Bundle.entry[3].resource.name`."""
    return HealixError(
        error.category,
        f"Bundle.entry[{number}]: {error.message}",
        issues=tuple(
            Issue(issue.code, issue.message, _located(number, issue.expression), issue.severity)
            for issue in error.issues
        ),
        detail=error.detail,
        etag=error.etag,
        about=error.about,
        patients=error.patients,
    )


def _located(number: int, expression: tuple[str, ...]) -> tuple[str, ...]:
    entry = f"Bundle.entry[{number}]"
    if not expression:
        return (entry,)
    return tuple(
        f"{entry}.{path}" if path.startswith("request.") else ".".join([f"{entry}.resource", *path.split(".")[1:]])
        for path in expression
    )


def all_of(errors: Sequence[HealixError]) -> HealixError:
    """Several entries' refusals as one: the first one's category (Invalid before others), everybody's issues."""
    first = next((error for error in errors if error.category is Category.INVALID), errors[0])
    return HealixError(
        first.category,
        first.message,
        issues=tuple(issue for error in errors for issue in error.issues),
        about=tuple(one for error in errors for one in error.about),
        patients=tuple(dict.fromkeys(id_ for error in errors for id_ in error.patients)),
    )
