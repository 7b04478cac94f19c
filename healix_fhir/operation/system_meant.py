"""Which code system a call of an operation means: that of the CodeSystem it is called on, or by url and version.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem-operations.html
"""

from __future__ import annotations

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError, invalid, not_found
from healix_fhir.model.operation_definition import MANY
from healix_fhir.operation.declaring import into
from healix_fhir.terminology import catalog
from healix_fhir.terminology.catalog import ABSENT, CODE_SYSTEM, System
from healix_fhir.terminology.supplements import base_of
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def required(access: AccessContext) -> None:
    """Refuse (Forbidden) who may not read CodeSystems: what R4 defines and what is loaded is told to those who may."""
    access.require(CODE_SYSTEM, Permission.READ)


def system_meant(access: AccessContext, id_: str | None, url: str | None, version: str | None) -> Work[System]:
    """The code system. Raises Invalid where none is named, NotFound where it, or what is in it, is not known."""
    if id_ is not None:
        system = yield from catalog.of_resource(access, id_)
        if url not in (None, system.url) or version not in (None, system.version):
            raise invalid(f"{CODE_SYSTEM}/{id_} is {system.canonical}, and no other is asked for on it", code="value")
    elif url is None:
        raise invalid("no code system is named", code="required", expression=("system",))
    else:
        system = yield from catalog.find(access, f"{url}|{version}" if version and "|" not in url else url)
    if (base := base_of(system)) is not None:
        raise not_found(f"{system.canonical[:200]} is a supplement of {base[:200]}: ask for that, with useSupplement")
    if system.content in ABSENT:
        raise not_found(f"the codes of {system.canonical[:200]} are not known here: its content is {system.content}")
    return system


USE_SUPPLEMENT = into(
    "useSupplement", "canonical", "A supplement of the code system to use with it, as R5 has it", most=MANY
)
"""The parameter that names supplements. Spec: FHIR R5, hl7.org/fhir/R5/codesystem-operation-lookup.html"""


def unknown(system: System, code: str) -> HealixError:
    """NotFound for a code that is not in a code system."""
    return not_found(absent(system, code))


def absent(system: System, code: str) -> str:
    """That a code is not in a code system, or not in what of it is here."""
    text = f"the code '{code[:100]}' is not in {system.canonical[:200]}"
    return text if system.content == "complete" else f"{text}, of which this server has a part ({system.content})"
