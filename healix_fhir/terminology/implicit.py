"""Value sets that are there without a resource, by what their urls say.

Those of SNOMED CT and LOINC follow from the url alone; that a code system has one of all its concepts says the code
system itself (`CodeSystem.valueSet`).

Spec: FHIR R4, hl7.org/fhir/R4/snomedct.html#implicit, hl7.org/fhir/R4/loinc.html#implicit
"""

from __future__ import annotations

from healix_fhir.kernel.errors import unsupported
from healix_fhir.terminology.sets import Filter, Operator, Selected, Set

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
LOINC_SETS = f"{LOINC}/vs"


def implicit(url: str) -> Set | None:
    """What an implicit value set consists of; None for a url that names none. Raises Unsupported by name."""
    if url.startswith(SNOMED) and "?fhir_vs" in url:
        return _snomed(url)
    if url == LOINC_SETS:
        return Selected(LOINC, None)
    if url.startswith(f"{LOINC_SETS}/"):
        return _loinc(url)
    return None


def _snomed(url: str) -> Set:
    """`[edition]?fhir_vs`, `…=isa/[id]`, `…=refset/[id]`; an edition with its version is a version of the system."""
    edition, _, query = url.partition("?fhir_vs")
    version = edition if edition != SNOMED else None
    kind, _, id_ = query.removeprefix("=").partition("/")
    if not query:
        return Selected(SNOMED, version)
    if kind == "isa" and id_.isdigit():
        return Selected(SNOMED, version, (Filter("concept", Operator.IS_A, id_),))
    if kind == "refset" and id_.isdigit():
        return Selected(SNOMED, version, (Filter("concept", Operator.IN, id_),))
    raise unsupported(f"the implicit value set {url[:200]} is not supported: of SNOMED CT, isa/ and refset/ are")


def _loinc(url: str) -> Set:
    """`/LL…` are the answers of a list, `/LP…` what stands below a part."""
    id_ = url.removeprefix(f"{LOINC_SETS}/")
    if id_.startswith("LL"):
        return Selected(LOINC, None, (Filter("LIST", Operator.EQUAL, id_),))
    if id_.startswith("LP"):
        return Selected(LOINC, None, (Filter("concept", Operator.DESCENDENT_OF, id_),))
    raise unsupported(f"the implicit value set {url[:200]} is not supported: of LOINC, LL… and LP… are")
