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

from healix_fhir.interaction.accept import definitions_of, indexed
from healix_fhir.interaction.service import Interactions
from healix_fhir.interaction.status import outcome
from healix_fhir.kernel.errors import HealixError, Issue, invalid
from healix_fhir.model.json import decode_stored
from healix_fhir.model.operation_definition import standard
from healix_fhir.model.places import Pointer, places
from healix_fhir.model.profile.judge import Extent
from healix_fhir.operation.declaring import changed, into
from healix_fhir.operation.given import Given
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
FINE = Issue("informational", "no issues: the resource is valid", severity="information")
PROFILES = 20
"""How many profiles one call may name."""
VALIDATE = changed(
    standard("Resource-validate"),
    f"Up to {PROFILES} profiles may be named.",
    into("profile", "uri", "A profile that the resource must meet", most=str(PROFILES)),
)


async def validate(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The OperationOutcome: all issues, or one of severity `information` when there are none."""
    assert invocation.type is not None
    given = invocation.given
    sent = given.json("resource")
    mode = _mode(given, invocation)
    access.require(invocation.type, PERMISSION[mode])
    resource = sent
    if invocation.id is not None:
        stored = await interactions.read(access, invocation.type, invocation.id)
        if mode == "profile":
            resource = decode_stored(stored.body)
    if mode == "delete":
        return outcome([FINE])
    if resource is None:
        raise invalid("there is no resource to validate", code="required", expression=("resource",))
    issues = await interactions.judging.judge(access, resource, invocation.type, Extent(tuple(given.all("profile"))))
    if not any(issue.severity in ("error", "fatal") for issue in issues):
        issues = (*issues, *_unusable(resource, invocation.type, interactions.bases))
    if mode == "update":
        issues = (*_identity(resource, invocation), *issues)
    if resource is sent and invocation.as_sent:
        issues = _placed(issues, invocation.body, resource, given.place("resource"))
    return outcome(issues or (FINE,))


def _mode(given: Given, invocation: Invocation) -> str:
    mode = given.text("mode")
    if mode is None:
        mode = "create" if invocation.id is None else "update" if "resource" in given else "profile"
    if mode not in MODES:
        raise invalid(f"mode must be one of {', '.join(MODES)}", code="value", expression=("mode",))
    if mode in INSTANCE and invocation.id is None:
        raise invalid(f"mode={mode} is for one resource: call it on Type/id", code="value", expression=("mode",))
    if mode == "profile" and "resource" in given:
        raise invalid("mode=profile judges what is stored; send no resource", code="value", expression=("mode",))
    return mode


def _unusable(resource: dict[str, Any], type_name: str, bases: tuple[str, ...]) -> Sequence[Issue]:
    """Why a valid SearchParameter or Consent, or one in a Bundle, cannot be used, and would be refused."""
    if type_name == "Bundle":
        held = ((n, entry["resource"]) for n, entry in enumerate(resource.get("entry", ())) if "resource" in entry)
        return [
            dataclasses.replace(issue, expression=tuple(_inside(number, path) for path in issue.expression))
            for number, inner in held
            for issue in _unusable(inner, inner["resourceType"], bases)
        ]
    try:
        definitions_of(resource, type_name)
        indexed(resource, type_name, bases)
    except HealixError as error:
        return error.issues
    return ()


def _inside(number: int, path: str) -> str:
    """The path of what is in an entry of a Bundle."""
    return ".".join([f"Bundle.entry[{number}].resource", *path.split(".")[1:]])


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
