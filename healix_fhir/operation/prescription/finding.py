"""What a look at an order found: something to warn of, something to know, or that somebody could not look.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/#card-attributes; FHIR R4, hl7.org/fhir/R4/detectedissue.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b

import msgspec

OWN = "Healix"
"""Whose finding it is where no service is named."""


class Kind(StrEnum):
    """What a finding is about. Of an `advice` another service knows; of a `failure` nobody does."""

    ALLERGY = "allergy"
    DUPLICATE = "duplicate"
    INTERACTION = "interaction"
    ADVICE = "advice"
    FAILURE = "failure"


class Indicator(StrEnum):
    """How much it matters, in the words of CDS Hooks."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


SEVERITY: Mapping[Indicator, str] = {
    Indicator.CRITICAL: "high",
    Indicator.WARNING: "moderate",
    Indicator.INFO: "low",
}
"""As DetectedIssue.severity."""
INDICATOR: Mapping[str, Indicator] = {severity: indicator for indicator, severity in SEVERITY.items()}


class Finding(msgspec.Struct, frozen=True):
    """One finding. `summary` is a line, `implicated` the resources (`Type/id`) that it comes from beside the order,
    `source` who says it, `url` where that one tells more.
    """

    kind: Kind
    indicator: Indicator
    summary: str
    detail: str = ""
    implicated: tuple[str, ...] = ()
    source: str = OWN
    url: str = ""

    @property
    def key(self) -> str:
        """What it is called in an answer: the same as long as it says the same."""
        said = "\0".join((self.kind, self.indicator, self.summary, self.detail, *self.implicated, self.source))
        return blake2b(said.encode(), digest_size=12).hexdigest()

    @property
    def needs_answer(self) -> bool:
        """Whether nobody signs before it is answered. What nobody could look at may be a warning like any other."""
        return self.indicator is not Indicator.INFO


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the order of what they matter, each once."""
    order = (Indicator.CRITICAL, Indicator.WARNING, Indicator.INFO)
    return sorted(dict.fromkeys(findings), key=lambda one: order.index(one.indicator))


def failure(summary: str, source: str = OWN) -> Finding:
    """That something was not looked at, which is not that there is nothing."""
    return Finding(Kind.FAILURE, Indicator.WARNING, summary, source=source)


def note(kind: Kind, summary: str) -> Finding:
    """What is good to know and needs no answer."""
    return Finding(kind, Indicator.INFO, summary)
