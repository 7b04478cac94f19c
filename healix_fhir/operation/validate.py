"""$validate: every issue of a resource, without storing it.

On the type level the resource is judged for `mode`: `create` (the default) or `update`. On the instance level, with a
resource for `update`, with none for `profile`: what is stored is judged; or for `delete`. `profile` names a profile
that it must meet, whatever it claims in `meta.profile`; that is judged as well.

Spec: FHIR R4, hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec

from healix_fhir.interaction.accept import definitions_of, indexed
from healix_fhir.interaction.service import Interactions
from healix_fhir.interaction.status import outcome
from healix_fhir.kernel.errors import HealixError, Issue, invalid
from healix_fhir.model.json import decode, decode_stored
from healix_fhir.model.places import Pointer, places
from healix_fhir.model.profile.judge import Extent
from healix_fhir.model.validate import validate as check
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

PERMISSION = {
    "create": Permission.CREATE,
    "update": Permission.UPDATE,
    "delete": Permission.DELETE,
    "profile": Permission.READ,
}
MODES = tuple(PERMISSION)
INSTANCE = ("delete", "profile")
RENDERING = ("_format", "_pretty")  # the HTTP edge's
FINE = Issue("informational", "no issues: the resource is valid", severity="information")
PROFILES = 20
"""How many profiles one call may name."""


class Asked(msgspec.Struct):
    """What a call of $validate holds; `start` is where the resource is in the body."""

    resource: dict[str, Any] | None = None
    mode: str | None = None
    profiles: tuple[str, ...] = ()
    start: Pointer = ()


async def validate(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The OperationOutcome: all issues, or one of severity `information` when there are none."""
    assert invocation.type is not None
    asked = _asked(invocation)
    mode = _mode(asked, invocation)
    access.require(invocation.type, PERMISSION[mode])
    resource = asked.resource
    if invocation.id is not None:
        stored = await interactions.read(access, invocation.type, invocation.id)
        if mode == "profile":
            resource = decode_stored(stored.body)
    if mode == "delete":
        return outcome([FINE])
    if resource is None:
        raise invalid("there is no resource to validate", code="required", expression=("resource",))
    issues = await interactions.judging.judge(access, resource, invocation.type, Extent(asked.profiles))
    issues = (*issues, *_unusable(resource, invocation.type, issues, interactions.bases))
    if mode == "update":
        issues = (*_identity(resource, invocation), *issues)
    if resource is asked.resource and invocation.as_sent:
        issues = _placed(issues, invocation.body, resource, asked.start)
    return outcome(issues or (FINE,))


def _mode(asked: Asked, invocation: Invocation) -> str:
    mode = asked.mode
    if mode is None:
        mode = "create" if invocation.id is None else "update" if asked.resource is not None else "profile"
    if mode not in MODES:
        raise invalid(f"mode must be one of {', '.join(MODES)}", code="value", expression=("mode",))
    if mode in INSTANCE and invocation.id is None:
        raise invalid(f"mode={mode} is for one resource: call it on Type/id", code="value", expression=("mode",))
    if mode == "profile" and asked.resource is not None:
        raise invalid("mode=profile judges what is stored; send no resource", code="value", expression=("mode",))
    return mode


def _unusable(
    resource: dict[str, Any], type_name: str, issues: Sequence[Issue], bases: tuple[str, ...]
) -> Sequence[Issue]:
    """Why a SearchParameter or a Consent that is valid cannot be used, and would be refused."""
    if any(issue.severity in ("error", "fatal") for issue in issues):
        return ()
    try:
        definitions_of(resource, type_name)
        indexed(resource, type_name, bases)
    except HealixError as error:
        return error.issues
    return ()


def _identity(resource: dict[str, Any], invocation: Invocation) -> Sequence[Issue]:
    """What an update demands of the resource's id."""
    where = (f"{invocation.type}.id",)
    if resource.get("id") is None:
        return (Issue("required", "an update needs the resource's id", where),)
    if invocation.id is not None and resource["id"] != invocation.id:
        return (Issue("value", "the id in the body is not the id in the URL", where),)
    return ()


def _placed(issues: Sequence[Issue], body: bytes, resource: dict[str, Any], start: Pointer) -> tuple[Issue, ...]:
    """The issues with lines and columns of the caller's text."""
    locations = {issue.expression[0] for issue in issues if issue.expression}
    found = places(body.decode(), resource, locations, start) if locations else {}
    return tuple(
        dataclasses.replace(issue, place=found.get(issue.expression[0])) if issue.expression else issue
        for issue in issues
    )


def _asked(invocation: Invocation) -> Asked:
    asked = Asked()
    for name, value in invocation.params:
        if name not in RENDERING:
            _set(asked, name, value)
    body = decode(invocation.body) if invocation.body else None
    if body is None or body.get("resourceType") != "Parameters" or invocation.type == "Parameters":
        asked.resource = body
        return asked
    problems = check({key: value for key, value in body.items() if key != "parameter"}, "Parameters")
    parameters = body.get("parameter", [])
    if problems or not isinstance(parameters, list) or not all(isinstance(part, dict) for part in parameters):
        raise invalid("the Parameters resource is not valid", code="structure", expression=("Parameters",))
    for number, part in enumerate(parameters):
        _take(asked, part, number)
    return asked


def _take(asked: Asked, part: dict[str, Any], number: int) -> None:
    name = part.get("name")
    if name == "resource" and isinstance(part.get("resource"), dict):
        asked.resource, asked.start = part["resource"], ("parameter", number, "resource")
        return
    values = [value for key, value in part.items() if key in ("valueCode", "valueUri", "valueCanonical", "valueString")]
    if len(values) != 1 or not isinstance(values[0], str):
        raise invalid(f"the parameter {str(name)[:64]} has no value", code="value", expression=("Parameters",))
    _set(asked, str(name), values[0])


def _set(asked: Asked, name: str, value: str) -> None:
    if name == "mode":
        asked.mode = value
    elif name == "profile":
        asked.profiles = (*asked.profiles, value)
        if len(asked.profiles) > PROFILES:
            raise invalid(f"$validate takes at most {PROFILES} profiles", code="too-costly", expression=("profile",))
    else:
        raise invalid(f"$validate does not take the parameter {name[:64]}", code="value", expression=("Parameters",))
