"""Patch: a new version, made of the current one by the caller's steps, and valid like that of an update.

Id and type stay, and so do the version and the time in meta, which the server sets. The narrative is left as it is
unless the patch says otherwise: like that of an update it is the caller's to keep true.

It is for those who may read what they update. Whether a step finds its element, and what a test says, tells what the
resource holds.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from healix_fhir.interaction.accept import definitions_of, indexed, known_id, of_type
from healix_fhir.interaction.wanted import Steps
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, decode_stored
from healix_fhir.model.patch import fhirpath_patch, json_patch
from healix_fhir.model.patch.fhirpath_operation import operations
from healix_fhir.model.validate import check
from healix_fhir.store.lock import permit
from healix_fhir.store.stored import Change, Method, Patched
from smart_auth.access import AccessContext

JSON_PATCH = "application/json-patch+json"
PATCH_FORMATS = (JSON_PATCH, "application/fhir+json", "application/fhir+xml")
"""CapabilityStatement.patchFormat: JSON Patch, and FHIRPath Patch in a Parameters resource."""
FIXED = ("versionId", "lastUpdated")


def steps(body: bytes, media_type: str) -> Steps:
    """The steps of a patch document: JSON Patch by its media type, else FHIRPath Patch in JSON.

    Raises Invalid where the document is malformed.
    """
    return json_steps(body) if media_type == JSON_PATCH else fhirpath_steps(decode(body))


def json_steps(body: bytes) -> Steps:
    """The steps of a JSON Patch."""
    operations = json_patch.read(body)
    return lambda resource: json_patch.apply(resource, operations)


def fhirpath_steps(parameters: dict[str, Any]) -> Steps:
    """The steps of a FHIRPath Patch. Spec: FHIR R4, hl7.org/fhir/R4/fhirpatch.html"""
    of_type(parameters, "Parameters")
    check(parameters, "Parameters")
    read = operations(parameters)

    def apply(resource: dict[str, Any]) -> dict[str, Any]:
        try:
            return fhirpath_patch.perform(resource, read)
        except HealixError as error:  # the document was read already: it is this resource that it does not fit
            raise HealixError(Category.UNPROCESSABLE, error.message, issues=error.issues) from error

    return apply


def patch(
    access: AccessContext,
    type_name: str,
    id_: str,
    document: Callable[[], Steps],
    bases: tuple[str, ...],
    if_match: int | None,
) -> Change:
    """The change to commit; `document` reads the patch. Raises NotFound for an unknown type or id, or Forbidden."""
    known_id(type_name, id_)
    permit(access, type_name, Method.PATCH)
    made_by = document()
    return Change(Method.PATCH, type_name, id_, if_match=if_match, patch=patched(type_name, id_, made_by, bases))


def patched(type_name: str, id_: str, made_by: Steps, bases: tuple[str, ...]) -> Callable[[bytes], Patched]:
    """What makes the new version of `type_name`/`id_` from the body of the current one."""

    def make(body: bytes) -> Patched:
        before = decode_stored(body)
        fixed = _fixed(before)
        after = made_by(before)
        _keep(after, type_name, id_, fixed)
        try:
            check(after, type_name)
        except HealixError as error:
            raise HealixError(Category.UNPROCESSABLE, error.message, issues=error.issues) from error
        return Patched(after, indexed(after, type_name, bases), definitions_of(after, type_name))

    return make


def _fixed(resource: dict[str, Any]) -> dict[str, Any]:
    meta = resource.get("meta")
    return {name: meta[name] for name in FIXED if name in meta} if isinstance(meta, dict) else {}


def _keep(after: dict[str, Any], type_name: str, id_: str, fixed: dict[str, Any]) -> None:
    """Raise Unprocessable when a patch has changed what only the server sets."""
    changed = [name for name, value in (("resourceType", type_name), ("id", id_)) if after.get(name) != value] + [
        f"meta.{name}" for name, value in _fixed(after).items() if fixed.get(name) != value
    ]
    if changed:
        raise HealixError(
            Category.UNPROCESSABLE, f"a patch cannot change {changed[0]}", expression=(f"{type_name}.{changed[0]}",)
        )
