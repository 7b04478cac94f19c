"""The tables of imaging reports, stated again, and what a report says."""

from __future__ import annotations

from itertools import product
from typing import Any

from healix_fhir.model.imaging_report import Addendum, added, content, is_critical, written
from healix_fhir.store.lifecycle.diagnostic_report import AMEND, SIGN, rule
from healix_fhir.store.lifecycle.step import Actor, Step

Json = dict[str, Any]
CODES = ("registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled",
         "entered-in-error", "unknown")  # fmt: skip
BY_HAND = {
    "registered": "partial preliminary cancelled entered-in-error unknown",
    "partial": "preliminary cancelled entered-in-error unknown",
    "preliminary": "partial cancelled entered-in-error unknown",
    **dict.fromkeys(("final", "amended", "corrected", "appended", "cancelled"), "entered-in-error"),
    "entered-in-error": "",
    "unknown": "registered partial preliminary cancelled entered-in-error",
}


def report(status: str, **more: Any) -> Json:
    """A report of images."""
    return {"status": status, "imagingStudy": [{"reference": "ImagingStudy/s"}], "conclusion": "x"} | more


def taken(actor: Actor, was: str, becomes: str, operation: str = "") -> bool:
    """Whether a step is taken."""
    return rule(Step("DiagnosticReport", actor, report(was), report(becomes), operation, "d")) is None


def test_the_table() -> None:
    """By hand a practitioner signs nothing; by the operations that is all they do; a patient does nothing."""
    signed = ("final", "amended", "corrected", "appended")
    for was, becomes in product(CODES, CODES):
        assert taken(Actor.PRACTITIONER, was, becomes) == (was == becomes or becomes in BY_HAND[was].split())
        assert not taken(Actor.PATIENT, was, becomes)
        if becomes in signed[1:] and was != becomes:
            assert taken(Actor.PRACTITIONER, was, becomes, AMEND) == (was in (*signed, "unknown"))
            assert taken(Actor.SYSTEM, was, becomes) == (was in (*signed, "unknown"))
    drafts = ("registered", "partial", "preliminary", "unknown")
    assert [was for was in CODES if taken(Actor.PRACTITIONER, was, "final", SIGN)] == [*drafts[:3], "final", "unknown"]
    plain = {"status": "final"}
    assert rule(Step("DiagnosticReport", Actor.PATIENT, plain, plain | {"status": "registered"})) is None


def test_what_was_said_stays() -> None:
    """What is added leaves it; a system that changes a final report says so."""
    before = report("final")
    for becomes in ("final", "appended"):
        assert rule(Step("DiagnosticReport", Actor.SYSTEM, before, report(becomes, conclusion="y"))) is not None
    assert rule(Step("DiagnosticReport", Actor.SYSTEM, before, report("corrected", conclusion="y"))) is None


def test_sections_are_written_and_read() -> None:
    """In their order, escaped in the narrative, in the place of those before; addenda stay."""
    first = written(report("preliminary"), {"findings": "a < b\nc", "technique": "t"}, critical=True)
    assert content(first).sections == {"technique": "t", "findings": "a < b\nc"}
    assert (is_critical(first), "conclusion" in first) == (True, False)
    assert "<h3>Findings</h3><p>a &lt; b<br/>c</p>" in first["text"]["div"]
    second = written(added(first, Addendum("more", "Practitioner/d", "2026-01-01T00:00:00Z")), {"impression": "i"})
    assert content(second).sections == {"impression": "i"}
    assert content(second).addenda == [Addendum("more", "Practitioner/d", "2026-01-01T00:00:00Z")]
    assert second["result"] == [{"reference": "#addendum-1"}]
