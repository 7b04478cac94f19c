"""The security labels of resources, and which of them hide a resource from those who are not cleared.

Restricted are the confidentiality R and V and the sensitivities of HL7's ActCode. A label is written `system|code`.

Spec: FHIR R4, hl7.org/fhir/R4/security-labels.html; HL7 v3 Confidentiality, ActCode (InformationSensitivityPolicy)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

LEVELS = ("U", "L", "M", "N", "R", "V")
"""From unrestricted to very restricted: each protects less than the next."""
RESTRICTED_LEVELS = frozenset({"R", "V"})
OTHER_CONFIDENTIALITY = frozenset({"ETH", "HIV", "PSY", "SDV", "C", "S", "T"})
"""The codes of v3 Confidentiality that are no levels, all of which ask for more than the usual care."""
SENSITIVITIES = frozenset(
    {
        "ETH", "GDIS", "HIV", "MST", "SCA", "SDV", "SEX", "SPI", "BH", "COGN", "DVD", "EMOTDIS", "MH", "PSY", "PSYTHPN",
        "SUD", "ETHUD", "OPIOIDUD", "STD", "TBOO", "VIO", "SICKLE", "ADOL", "CEL", "PHY", "PRS",
    }
)  # fmt: skip
"""ActInformationSensitivityPolicy of v3 ActCode, and what patients, physicians or their renown ask to be protected."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "SPI": ("BH", "COGN", "DVD", "EMOTDIS", "MH", "PSY", "PSYTHPN", "SUD", "ETHUD", "OPIOIDUD"),
    "BH": ("COGN", "DVD", "EMOTDIS"),
    "SUD": ("ETHUD", "OPIOIDUD"),
}
"""What a sensitivity has below it."""


def label(coding: Mapping[str, Any]) -> str | None:
    """A label as it is kept; None for a coding that is none."""
    system, code = coding.get("system"), coding.get("code")
    return f"{system}|{code}" if system and code else None


def labels(codings: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """The labels of `meta.security`, each with whether it is restricted, as PostgreSQL writes that."""
    named = dict.fromkeys(one for coding in codings if (one := label(coding)) is not None)
    return tuple((one, "t" if is_restricted(one) else "f") for one in named)


def is_restricted(named: str) -> bool:
    """Whether a label hides its resource from those who are not cleared for it."""
    system, _, code = named.rpartition("|")
    if system == CONFIDENTIALITY:
        return code in RESTRICTED_LEVELS | OTHER_CONFIDENTIALITY
    return system == ACT_CODE and code in SENSITIVITIES


def at_least(named: str) -> list[str]:
    """The label with what it comprises and, of confidentiality, the higher ones."""
    return _from(named, upward=True)


def at_most(named: str) -> list[str]:
    """The label with what it comprises and, of confidentiality, the lower ones."""
    return _from(named, upward=False)


def clearance(codes: Iterable[str]) -> list[str]:
    """The labels for which an account is cleared by codes such as `R` or `HIV`. Raises ValueError for another code."""
    found: list[str] = []
    for code in codes:
        if code not in RESTRICTED_LEVELS | OTHER_CONFIDENTIALITY | SENSITIVITIES:
            raise ValueError(code)
        if code in RESTRICTED_LEVELS | OTHER_CONFIDENTIALITY:
            found += at_most(f"{CONFIDENTIALITY}|{code}")
        if code in SENSITIVITIES:
            found += at_most(f"{ACT_CODE}|{code}")
    return list(dict.fromkeys(found))


def _from(named: str, *, upward: bool) -> list[str]:
    system, _, code = named.rpartition("|")
    if system == ACT_CODE:
        return [named, *(f"{system}|{part}" for part in PARTS.get(code, ()))]
    if system != CONFIDENTIALITY or code not in LEVELS:
        return [named]
    place = LEVELS.index(code)
    return [f"{system}|{one}" for one in (LEVELS[place:] if upward else LEVELS[: place + 1])]
