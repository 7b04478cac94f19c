"""$validate: every structural issue of a resource, without storing it.

On the type level the resource is judged for `mode`: `create` (the default) or `update`; on the instance level for
`update`, or without a resource for `delete`. Profiles and invariants are refused by name, never passed over in silence.

Spec: FHIR R4, hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.interaction.status import outcome
from healix_fhir.kernel.errors import Issue, invalid, unsupported
from healix_fhir.model import validate as structure
from healix_fhir.model.json import decode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

MODES = ("create", "update", "delete")
PERMISSION = {"create": Permission.CREATE, "update": Permission.UPDATE, "delete": Permission.DELETE}
RENDERING = ("_format", "_pretty")  # the HTTP edge's
FINE = Issue("informational", "no issues: the structure is valid", severity="information")


class Asked(msgspec.Struct):
    """What a call of $validate holds."""

    resource: dict[str, Any] | None = None
    mode: str | None = None


async def validate(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The OperationOutcome: all issues, or one of severity `information` when there are none."""
    assert invocation.type is not None
    asked = _asked(invocation)
    mode = asked.mode or ("update" if invocation.id else "create")
    if mode not in MODES:
        raise invalid(f"mode must be one of {', '.join(MODES)}", code="value", expression=("mode",))
    access.require(invocation.type, PERMISSION[mode])
    if invocation.id is not None:
        await interactions.read(access, invocation.type, invocation.id)
    if mode == "delete":
        if invocation.id is None:
            raise invalid("mode=delete is for one resource: call it on Type/id", code="value", expression=("mode",))
        return outcome([FINE])
    if asked.resource is None:
        raise invalid("there is no resource to validate", code="required", expression=("resource",))
    return outcome(_issues(asked.resource, invocation, mode) or (FINE,))


def _issues(resource: dict[str, Any], invocation: Invocation, mode: str) -> tuple[Issue, ...]:
    assert invocation.type is not None
    issues = structure.validate(resource, invocation.type)
    if mode == "update":
        where = (f"{invocation.type}.id",)
        if resource.get("id") is None:
            issues += (Issue("required", "an update needs the resource's id", where),)
        elif invocation.id is not None and resource["id"] != invocation.id:
            issues += (Issue("value", "the id in the body is not the id in the URL", where),)
    return issues


def _asked(invocation: Invocation) -> Asked:
    asked = Asked()
    for name, value in invocation.params:
        if name == "mode":
            asked.mode = value
        elif name not in RENDERING:
            raise _refuse(name)
    body = decode(invocation.body) if invocation.body else None
    if body is None or body.get("resourceType") != "Parameters" or invocation.type == "Parameters":
        asked.resource = body
        return asked
    problems = structure.validate({key: value for key, value in body.items() if key != "parameter"}, "Parameters")
    parameters = body.get("parameter", [])
    if problems or not isinstance(parameters, list) or not all(isinstance(part, dict) for part in parameters):
        raise invalid("the Parameters resource is not valid", code="structure", expression=("Parameters",))
    for part in parameters:
        _take(asked, part)
    return asked


def _take(asked: Asked, part: dict[str, Any]) -> None:
    name = part.get("name")
    if name == "resource" and isinstance(part.get("resource"), dict):
        asked.resource = part["resource"]
    elif name == "mode" and isinstance(part.get("valueCode"), str):
        asked.mode = part["valueCode"]
    else:
        raise _refuse(str(name))


def _refuse(name: str) -> Exception:
    if name == "profile":
        return unsupported("$validate against a profile is not supported; leave `profile` out for the base definition")
    return invalid(f"$validate does not take the parameter {name[:64]}", code="value", expression=("Parameters",))
