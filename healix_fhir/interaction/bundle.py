"""The entries of a batch or transaction as requests: one reading for both.

Everything that can be refused without the database is refused here, entry by entry, so that a transaction can report
all of it at once and a batch each with its entry.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction, hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from healix_fhir.interaction.accept import known_id, known_type, of_type, with_id
from healix_fhir.kernel.errors import Category, HealixError, Issue, invalid, unsupported
from healix_fhir.kernel.ids import is_logical_id, logical_id
from healix_fhir.model.json import decode
from healix_fhir.model.validate import check

KINDS = ("batch", "transaction")
WRITES = ("POST", "PUT", "DELETE")
ORDER = ("DELETE", "POST", "PUT", "GET")
CONDITIONS = ("ifNoneMatch", "ifModifiedSince", "ifNoneExist")


class Wanted(msgspec.Struct, frozen=True):
    """One entry's request. `number` is its place in the bundle from 0; `path` what follows the type and id of a GET."""

    number: int
    method: str
    type: str
    id: str | None
    path: tuple[str, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    full_url: str | None = None
    resource: dict[str, Any] | None = None
    if_match: int | None = None


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
    check(bundle, "Bundle")
    if bundle["type"] not in KINDS:
        raise invalid(f"a Bundle of type {bundle['type']} cannot be run; send a batch or transaction", code="value")
    return Parcel(
        bundle["type"],
        tuple(
            _read(n, entry, resource, bases) for n, (entry, resource) in enumerate(zip(entries, resources, strict=True))
        ),
    )


def _read(number: int, entry: dict[str, Any], resource: object, bases: tuple[str, ...]) -> Wanted | HealixError:
    try:
        return _wanted(number, entry, resource, bases)
    except HealixError as error:
        return at_entry(number, error)


def _wanted(number: int, entry: dict[str, Any], resource: object, bases: tuple[str, ...]) -> Wanted:
    request = entry.get("request")
    if request is None:
        raise invalid("the entry has no request", code="required")
    for name in CONDITIONS:
        if name in request:
            raise unsupported(f"{name} in a bundle's entry is not supported")
    method, (path, params) = request["method"], _split(request["url"], bases)
    if method not in ORDER:
        raise unsupported(f"{method} in a bundle's entry is not supported")
    if method != "GET" and params:
        raise unsupported("conditional update and conditional delete are not supported")
    if any(part.startswith("$") for part in path) or path[-1] == "_search":
        raise unsupported(f"the operation {path[-1][:64]} in a bundle's entry is not supported")
    type_name, id_ = path[0], path[1] if len(path) > 1 else None
    _check_path(method, path)
    if method in ("POST", "PUT"):
        if not isinstance(resource, dict):
            raise invalid(f"a {method} entry needs a resource", code="required")
        of_type(resource, type_name)
        if method == "PUT":
            with_id(resource, path[1])
        resource["id"] = id_ = id_ or logical_id()
    return Wanted(
        number, method, type_name, id_, path[2:], params, entry.get("fullUrl"),
        resource if isinstance(resource, dict) else None, _version(request.get("ifMatch")),
    )  # fmt: skip


def _split(url: str, bases: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Path segments and parameters of a request URL, relative to the base or below one of ours."""
    for base in bases:
        url = url.removeprefix(f"{base}/")
    path, _, query = url.partition("?")
    if ":" in path or not path.strip("/"):
        raise invalid(f"'{url[:100]}' is no address of this server", code="value", expression=("request.url",))
    return tuple(path.strip("/").split("/")), tuple(parse_qsl(query, keep_blank_values=True))


def _check_path(method: str, path: tuple[str, ...]) -> None:
    known_type(path[0])
    expected = {"POST": (1,), "PUT": (2,), "DELETE": (2,), "GET": (1, 2, 3, 4)}[method]
    if len(path) not in expected or (len(path) > 2 and path[2] != "_history"):
        raise invalid(f"'{'/'.join(path)[:100]}' is no address for {method}", code="value", expression=("request.url",))
    if method == "PUT" and not is_logical_id(path[1]):
        raise invalid("an id has 1 to 64 letters, digits, '-' and '.'", code="value", expression=("request.url",))
    if len(path) > 1:
        known_id(path[0], path[1])


def _version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    digits = if_match.removeprefix("W/").strip('"')
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise invalid('ifMatch must be an entity tag like W/"1"', code="value", expression=("request.ifMatch",))
    return int(digits)


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
    return HealixError(first.category, first.message, issues=tuple(issue for error in errors for issue in error.issues))
