"""One entry of a batch or transaction, read as the request that it stands for.

Everything that can be refused without the database is refused here.

Spec: FHIR R4, hl7.org/fhir/R4/bundle.html#Bundle.entry.request, hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from healix_fhir.interaction.accept import body_id, known_id, known_type, of_type, with_id
from healix_fhir.interaction.condition import PARAMETERS, of_params, of_text
from healix_fhir.interaction.patch import JSON_PATCH, fhirpath_steps, json_steps
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import Category, HealixError, invalid, unsupported
from healix_fhir.kernel.ids import is_logical_id, logical_id
from healix_fhir.search.dates import interval

METADATA = ("metadata",)
TAG = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')
CONDITIONS = {
    "ifMatch": ("PUT", "PATCH", "DELETE"),
    "ifNoneMatch": ("GET", "HEAD", "PUT"),
    "ifModifiedSince": ("GET", "HEAD"),
    "ifNoneExist": ("POST",),
}
"""The conditions of Bundle.entry.request, and the methods that they are for."""


def read_entry(number: int, entry: Mapping[str, Any], resource: object, bases: Sequence[str]) -> Wanted:
    """What an entry asks for; `resource` is its resource, taken out of it. Raises Invalid, Unsupported or NotFound."""
    request = entry.get("request")
    if request is None:
        raise invalid("the entry has no request", code="required")
    method: str = request["method"]
    for name, methods in CONDITIONS.items():
        if name in request and method not in methods:
            raise invalid(f"{name} is not for {method}", code="value", expression=(f"request.{name}",))
    path, params = split(request["url"], bases)
    asked = Wanted(
        method,
        number=number,
        path=path,
        params=params,
        full_url=entry.get("fullUrl"),
        resource=resource if isinstance(resource, dict) else None,
        if_match=_version(request.get("ifMatch")),
        if_none_match=request.get("ifNoneMatch"),
    )
    return READERS[method](asked, request)


def split(url: str, bases: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Path segments and parameters of a request URL, relative to the base or below one of ours."""
    for base in bases:
        url = url.removeprefix(base)
    path, _, query = url.partition("?")
    if ":" in path or not (path.strip("/") or query):
        raise _no_address(url)
    try:
        params = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS)
    except ValueError as error:
        raise _no_address(url) from error
    segments = path.strip("/")
    return tuple(segments.split("/")) if segments else (), tuple(params)


def _no_address(url: str, method: str = "this server") -> HealixError:
    return invalid(f"'{url[:100]}' is no address for {method}", code="value", expression=("request.url",))


def _version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    found = TAG.fullmatch(if_match)
    if found is None:
        raise invalid('ifMatch must be an entity tag like W/"1"', code="value", expression=("request.ifMatch",))
    return int(found[1])


def is_operation(path: Sequence[str]) -> bool:
    """Whether a path calls an operation; the capabilities are asked for like one."""
    return bool(path) and (path[-1].startswith("$") or tuple(path) == METADATA)


def _get(asked: Wanted, request: Mapping[str, Any]) -> Wanted:
    """Any GET; what the address means is for `answer.get`. A read takes conditions."""
    path = asked.path
    since = interval(request["ifModifiedSince"]) if "ifModifiedSince" in request else None
    if path and not path[0].startswith(("_", "$")) and path != METADATA:
        known_type(path[0])
        if len(path) > 1 and not path[1].startswith(("_", "$")):
            known_id(path[0], path[1])
            return msgspec.structs.replace(
                asked, type=path[0], id=path[1], if_modified_since=since[0] if since is not None else None
            )
        return msgspec.structs.replace(asked, type=path[0])
    return asked


def _post(asked: Wanted, request: Mapping[str, Any]) -> Wanted:
    """A create, a search by POST (its parameters are those of the URL), or an operation."""
    path = asked.path
    if is_operation(path):
        return asked
    if path and path[-1] == "_search":
        return _get(msgspec.structs.replace(asked, method="GET", path=path[:-1]), request)
    type_name = _only_type(asked)
    resource = _needed(asked)
    of_type(resource, type_name)
    resource["id"] = id_ = logical_id()
    condition = of_text(type_name, request["ifNoneExist"]) if "ifNoneExist" in request else None
    return msgspec.structs.replace(asked, type=type_name, id=id_, condition=condition)


def _put(asked: Wanted, _: Mapping[str, Any]) -> Wanted:
    """An update, of what the URL names or of what it matches."""
    if asked.if_none_match not in (None, "*"):
        raise unsupported("ifNoneMatch on an update is not supported, but for *")
    resource = _needed(asked)
    if asked.params:
        type_name = _only_type(asked)
        of_type(resource, type_name)
        condition = of_params(type_name, asked.params)
        return msgspec.structs.replace(asked, type=type_name, id=body_id(resource), condition=condition)
    type_name, id_ = _instance(asked)
    of_type(resource, type_name)
    with_id(resource, id_)
    return msgspec.structs.replace(asked, type=type_name, id=id_)


def _patch(asked: Wanted, _: Mapping[str, Any]) -> Wanted:
    """A patch: the resource is a Binary that holds a JSON Patch, or the Parameters of a FHIRPath Patch."""
    resource = _needed(asked)
    if resource.get("resourceType") == "Parameters":
        steps = fhirpath_steps(resource)
    else:
        of_type(resource, "Binary")
        if resource.get("contentType") != JSON_PATCH:
            raise HealixError(
                Category.UNSUPPORTED_MEDIA, f"a PATCH entry has Parameters, or a Binary of type {JSON_PATCH}"
            )
        try:
            steps = json_steps(base64.b64decode(str(resource.get("data", "")), validate=True))
        except binascii.Error as error:
            raise invalid("the data of the Binary is no base64", code="value", expression=("Binary.data",)) from error
    if asked.params:
        type_name = _only_type(asked)
        condition = of_params(type_name, asked.params)
        return msgspec.structs.replace(asked, type=type_name, steps=steps, condition=condition)
    type_name, id_ = _instance(asked)
    return msgspec.structs.replace(asked, type=type_name, id=id_, steps=steps)


def _delete(asked: Wanted, _: Mapping[str, Any]) -> Wanted:
    """A delete, of what the URL names or of what it matches."""
    if asked.params:
        type_name = _only_type(asked)
        return msgspec.structs.replace(asked, type=type_name, condition=of_params(type_name, asked.params))
    type_name, id_ = _instance(asked)
    return msgspec.structs.replace(asked, type=type_name, id=id_)


def _needed(asked: Wanted) -> dict[str, Any]:
    if asked.resource is None:
        raise invalid(f"a {asked.method} entry needs a resource", code="required")
    return asked.resource


def _only_type(asked: Wanted) -> str:
    if len(asked.path) != 1:
        raise _no_address("/".join(asked.path), asked.method)
    known_type(asked.path[0])
    return asked.path[0]


def _instance(asked: Wanted) -> tuple[str, str]:
    if len(asked.path) != 2:
        raise _no_address("/".join(asked.path), asked.method)
    type_name, id_ = asked.path
    known_type(type_name)
    if asked.method == "PUT" and not is_logical_id(id_):
        raise invalid("an id has 1 to 64 letters, digits, '-' and '.'", code="value", expression=("request.url",))
    known_id(type_name, id_)
    return type_name, id_


READERS: Mapping[str, Callable[[Wanted, Mapping[str, Any]], Wanted]] = {
    "GET": _get,
    "HEAD": _get,
    "POST": _post,
    "PUT": _put,
    "PATCH": _patch,
    "DELETE": _delete,
}
"""The methods of Bundle.entry.request.method."""
