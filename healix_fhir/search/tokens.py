"""Hashes of tokens and uris, the same for extraction and search.

A token is indexed under several hashes, one for each way to ask for it; all of a resource's hashes lie in
`resource.toks`, and those of hot parameters also in `index_token`. The parameter's id is part of every hash and ends
at the mark that tells the ways apart, so that no two of them run into each other. A system is a uri and holds no space,
hence the space between system and code.

Codes are compared without regard to case, unless they are asked for together with a code system whose definition says
that it is case sensitive: in doubt, R4 says, finding too much is safer than finding too little. Systems and uris are
compared as they are.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#token, hl7.org/fhir/R4/search.html#uri
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from healix_fhir.kernel.hashing import key64

SENSITIVE = (
    "http://hl7.org/fhir/",
    "http://terminology.hl7.org/CodeSystem/",
    "http://unitsofmeasure.org",
    "http://dicom.nema.org/resources/ontology/DCM",
)
"""How the case sensitive code systems begin (`CodeSystem.caseSensitive` in R4's definitions), HL7 v2's tables apart."""
INSENSITIVE = "http://terminology.hl7.org/CodeSystem/v2-"


def case(system: str, code: str) -> str:
    """The code as it is compared with others of the same system."""
    sensitive = system.startswith(SENSITIVE) and not system.startswith(INSENSITIVE)
    return code if sensitive else code.casefold()


def any_system(param_id: int, code: str) -> int:
    """`param=code`: the code in whatever system, or in none."""
    return key64(f"{param_id}*{code.casefold()}")


def in_system(param_id: int, system: str, code: str) -> int:
    """`param=system|code`."""
    return key64(f"{param_id}={system} {case(system, code)}")


def no_system(param_id: int, code: str) -> int:
    """`param=|code`: the code where it has no system."""
    return key64(f"{param_id}-{code.casefold()}")


def system_only(param_id: int, system: str) -> int:
    """`param=system|`: any code of the system."""
    return key64(f"{param_id}@{system}")


def of_type(param_id: int, type_system: str, type_code: str, value: str) -> int:
    """`param:of-type=system|code|value`: an identifier's value together with its type."""
    return key64(f"{param_id}^{type_system} {case(type_system, type_code)} {value.casefold()}")


def uri(param_id: int, value: str) -> int:
    """`param=uri`: the whole uri, literally."""
    return key64(f"{param_id}/{value}")


def pointing(param_id: int, target_type: int | None, target: str) -> int:
    """A reference as a part of a composite."""
    return key64(f"{param_id}>{target_type} {target}")


def together(param_id: int, keys: Iterable[int]) -> int:
    """The parts of a composite, each by its own key."""
    return key64(f"{param_id}&{' '.join(map(str, keys))}")


def text(param_id: int, folded: str) -> int:
    """`param:text`: a text that stands beside the code, folded (search/strings)."""
    return key64(f"{param_id}~{folded}")


def below(param_id: int, place: str) -> int:
    """`param:below=uri`: the uri, or another below it."""
    return key64(f"{param_id}<{place}")


def sound(param_id: int, code: str) -> int:
    """A word that sounds so (search/sounds)."""
    return key64(f"{param_id}%{code}")


def of_system(system: str, code: str) -> int:
    """The hash of a code's system as `index_token.sys` holds it; of a case sensitive one, of system and code."""
    found = case(system, code)
    return key64(system if found == code.casefold() else f"{system} {found}")


@lru_cache(maxsize=32768)
def ways(param_id: int, system: str | None, code: str | None) -> tuple[int, ...]:
    """Every hash that a token is stored under, `any_system` first where it has a code; none for a token of nothing."""
    if code is None:
        return (system_only(param_id, system),) if system else ()
    if not system:
        return any_system(param_id, code), no_system(param_id, code)
    return any_system(param_id, code), in_system(param_id, system, code), system_only(param_id, system)
