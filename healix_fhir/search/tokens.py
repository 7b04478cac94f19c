"""Hashes of tokens and uris, the same for extraction and search.

A token is indexed under several hashes, one for each way to ask for it; all of a resource's hashes lie in
`resource.toks`, and those of hot parameters also in `index_token`. The parameter's id is part of every hash and ends
at the mark that tells the ways apart, so that no two of them run into each other. A system is a uri and holds no space,
hence the space between system and code.

Codes are compared without regard to case. R4 asks for case only where the code system is known to be case sensitive,
and says that in doubt finding too much is safer than finding too little. Systems and uris are compared as they are.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#token, hl7.org/fhir/R4/search.html#uri
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from healix_fhir.kernel.hashing import key64


def any_system(param_id: int, code: str) -> int:
    """`param=code`: the code in whatever system, or in none."""
    return key64(f"{param_id}*{code.casefold()}")


def in_system(param_id: int, system: str, code: str) -> int:
    """`param=system|code`."""
    return key64(f"{param_id}={system} {code.casefold()}")


def no_system(param_id: int, code: str) -> int:
    """`param=|code`: the code where it has no system."""
    return key64(f"{param_id}-{code.casefold()}")


def system_only(param_id: int, system: str) -> int:
    """`param=system|`: any code of the system."""
    return key64(f"{param_id}@{system}")


def of_type(param_id: int, type_system: str, type_code: str, value: str) -> int:
    """`param:of-type=system|code|value`: an identifier's value together with its type."""
    return key64(f"{param_id}^{type_system} {type_code.casefold()} {value.casefold()}")


def uri(param_id: int, value: str) -> int:
    """`param=uri`: the whole uri, literally."""
    return key64(f"{param_id}/{value}")


def pointing(param_id: int, target_type: int | None, target: str) -> int:
    """A reference as a part of a composite."""
    return key64(f"{param_id}>{target_type} {target}")


def together(param_id: int, keys: Iterable[int]) -> int:
    """The parts of a composite, each by its own key."""
    return key64(f"{param_id}&{' '.join(map(str, keys))}")


def system(value: str) -> int:
    """The hash of a system as `index_token.sys` holds it."""
    return key64(value)


@lru_cache(maxsize=32768)
def ways(param_id: int, system: str | None, code: str | None) -> tuple[int, ...]:
    """Every hash that a token is stored under, `any_system` first where it has a code; none for a token of nothing."""
    if code is None:
        return (system_only(param_id, system),) if system else ()
    if not system:
        return any_system(param_id, code), no_system(param_id, code)
    return any_system(param_id, code), in_system(param_id, system, code), system_only(param_id, system)
