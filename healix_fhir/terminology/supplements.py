"""Code system supplements: designations and properties that somebody adds to the concepts of a code system.

A supplement is a code system in the tables like any other, but its concepts say only what is added to those of the same
code in the code system that it `supplements`. It counts where it is asked for: by a call, or by a value set.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem.html#supplements; extension valueset-supplement
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.profile.definition import split
from healix_fhir.terminology import catalog
from healix_fhir.terminology.catalog import SUPPLEMENT, System
from smart_auth.access import AccessContext


def supplemented(
    access: AccessContext, systems: Mapping[str, System | None], canonicals: Iterable[str]
) -> Work[dict[str, System | None]]:
    """The code systems of a call, by canonical, each with those of the named supplements that are its own.

    Raises Invalid for a name that is not known or no supplement's, and for one of another code system or version.
    """
    known = dict(systems)
    asked = list(canonicals)
    if not asked:
        return known
    found = yield from catalog.find_each(access, asked)
    for canonical in asked:
        one = found[canonical]
        if one is None:
            raise _wrong(f"the supplement {canonical[:200]} is not known", "not-found")
        for name in _supplemented_by(one, known):
            base = known[name]
            assert base is not None
            known[name] = replace(base, supplements=(*base.supplements, one))
    return known


def of_system(access: AccessContext, system: System, canonicals: Iterable[str]) -> Work[System]:
    """A code system with supplements; raises as `supplemented` does."""
    known = yield from supplemented(access, {system.canonical: system}, canonicals)
    found = known[system.canonical]
    assert found is not None
    return found


def _supplemented_by(one: System, systems: Mapping[str, System | None]) -> list[str]:
    """Which of these code systems a supplement is for."""
    base = base_of(one)
    if base is None:
        raise _wrong(f"{one.canonical[:200]} is no supplement: its content is {one.content}", "value")
    url, version = split(base)
    fitting = {name: system for name, system in systems.items() if system is not None and system.url == url}
    if not fitting:
        what = f"{one.canonical[:200]} supplements {base[:200]}"
        raise _wrong(f"{what}, which is not among the code systems that are asked for, or not known here", "not-found")
    for system in fitting.values():
        if version and not catalog.fits(system.version, version):
            what = f"{one.canonical[:200]} supplements {base[:200]}"
            raise _wrong(f"{what}; the version that is asked for is '{system.version[:64]}'", "business-rule")
    return list(fitting)


def base_of(one: System) -> str | None:
    """The canonical of the code system that this one supplements; None for one that is no supplement."""
    base = one.about.get("supplements")
    return str(base) if one.content == SUPPLEMENT and base else None


def _wrong(message: str, code: str) -> HealixError:
    return invalid(message, code=code, expression=("useSupplement",))
