"""Prefetch of priors: when a patient is expected, or the first images come, earlier studies are fetched from a peer.

A rule says of which modality what comes is, from whom priors are asked, of which modalities, how many and how old. A
patient is known to a peer by PatientID and issuer; what was asked within a day is not asked again.

Spec: IHE RAD TF-1 (Scheduled Workflow), Image Availability Query; PS3.4 C.4.1 and C.4.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from dicomweb.errand.queue import Kind, Wanted, ask
from dicomweb.routing.rules import LONGEST_NAME, check_name, check_texts, require
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid, not_found
from healix_fhir.kernel.outbox import Event
from smart_auth.access import AccessContext

WORD = "prefetch-rule"
MOST = 20
"""Rules."""
MOST_STUDIES, MOST_YEARS = 50, 100
REST = 86_400.0
"""Seconds after which a patient's priors are asked for again."""
PLANS = frozenset({"Task", "Appointment"})
"""Resources by which an order is planned."""
WILD = frozenset("*?\\")
"""What a PatientID must not hold to be asked for: it would match others."""


class Rule(msgspec.Struct, frozen=True):
    """Whose priors are asked for, of which `modalities` (empty: any) what comes is, and which of them are fetched from
    `peer`: at most `most`, of `prior_modalities` (empty: any), not older than `years`.
    """

    name: str
    peer: str
    modalities: Sequence[str] = ()
    prior_modalities: Sequence[str] = ()
    most: int = 3
    years: int = 5


class Whose(NamedTuple):
    """A patient as peers know them."""

    patient_id: str
    issuer: str

    def __str__(self) -> str:
        """What an errand is about: neither part can hold a backslash."""
        return f"{self.patient_id}\\{self.issuer}"


def whose(about: str) -> Whose:
    """The patient that an errand is about."""
    patient_id, _, issuer = about.partition("\\")
    return Whose(patient_id, issuer)


class Prior(NamedTuple):
    """A study as a peer tells of it."""

    study: str
    day: str
    modalities: frozenset[str]


def chosen(rule: Rule, found: Sequence[Prior], today: date) -> list[Prior]:
    """The studies to fetch, the newest first. One without a date counts as old, one without modalities fits any."""
    first = (today - timedelta(days=366 * rule.years)).strftime("%Y%m%d")
    fitting = [
        one
        for one in found
        if one.day >= first
        and (not rule.prior_modalities or not one.modalities or one.modalities & set(rule.prior_modalities))
    ]
    return sorted(fitting, key=lambda one: (one.day, one.study), reverse=True)[: rule.most]


_ARRIVED = """
SELECT r.peer, r.name, s.patient_id, coalesce(s.patient_id_issuer, '')
FROM unnest(%s::text[]) x (uid) JOIN study s ON s.study_uid = x.uid CROSS JOIN prefetch r
WHERE coalesce(s.pat, 0) >= 0 AND s.patient_id IS NOT NULL AND (r.modalities IS NULL OR s.modalities && r.modalities)
  AND EXISTS (SELECT FROM series e JOIN instance i ON i.series_pk = e.pk
              WHERE e.study_pk = s.pk AND i.source IS DISTINCT FROM r.peer)
  AND NOT EXISTS (SELECT FROM errand q WHERE q.kind = 'priors' AND q.receiver = r.peer AND q.rule = r.name
                  AND q.about = s.patient_id || '\\' || coalesce(s.patient_id_issuer, '')
                  AND (q.ended IS NULL OR q.ended > now() - make_interval(secs => %s)))"""

_SCHEDULED = """
SELECT r.peer, r.name, p.patient_id, p.issuer
FROM scheduled_step p CROSS JOIN prefetch r
WHERE {which} AND p.patient_id <> ''
  AND p.state IN ('SCHEDULED', 'ARRIVED', 'READY')
  AND p.performed = '' AND (r.modalities IS NULL OR p.modality = ANY(r.modalities))
  AND NOT EXISTS (SELECT FROM errand q WHERE q.kind = 'priors' AND q.receiver = r.peer AND q.rule = r.name
                  AND q.about = p.patient_id || '\\' || p.issuer
                  AND (q.ended IS NULL OR q.ended > now() - make_interval(secs => %s)))"""


def arrived(events: Sequence[Event]) -> Work[None]:
    """The consumer of study events: images came that the rule's peer did not send. One statement where none fits."""
    rows = yield Statement(_ARRIVED, (sorted({event.payload["study"] for event in events}), REST))
    yield from _expect(rows)


def scheduled(events: Sequence[Event]) -> Work[None]:
    """The consumer of resource events, after the worklist's: an order was made or planned."""
    heard = sorted({(event.payload["type"], event.payload["id"]) for event in events})
    orders = [id_ for kind, id_ in heard if kind == "ServiceRequest"]
    plans = [f"{kind}/{id_}" for kind, id_ in heard if kind in PLANS]
    if orders or plans:
        which = "(p.request = ANY(%s) OR p.sources && %s::text[])"
        yield from _expect((yield Statement(_SCHEDULED.format(which=which), (orders, plans, REST), prepare=False)))


def put_by_hand(step: str) -> Work[None]:
    """An operator has put this step on the worklist, which no event tells of."""
    yield from _expect((yield Statement(_SCHEDULED.format(which="p.step_id = %s"), (step, REST))))


def _expect(rows: Sequence[tuple[str, str, str, str]]) -> Work[None]:
    wanted = [
        Wanted(Kind.PRIORS, peer, str(Whose(patient_id, issuer)), rule)
        for peer, rule, patient_id, issuer in rows
        if not WILD & {*patient_id, *issuer}
    ]
    if wanted:
        yield ask(wanted, rest=REST)


def put(access: AccessContext, rule: Rule) -> Work[None]:
    """Add a rule, or put it in the place of the one of its name; audited. Raises Invalid, Forbidden."""
    require(access)
    check_name(rule.name, "prefetch rule")
    check_texts("modality", rule.modalities)
    check_texts("modality of priors", rule.prior_modalities)
    if not 0 < rule.most <= MOST_STUDIES:
        raise invalid(f"a rule fetches 1 to {MOST_STUDIES} studies of a patient")
    if not 0 < rule.years <= MOST_YEARS:
        raise invalid(f"priors are 1 to {MOST_YEARS} years old at most")
    rows = yield Statement(
        f"""INSERT INTO prefetch AS r (name, peer, modalities, prior_modalities, most, years)
            SELECT %s, %s, %s, %s, %s, %s WHERE (SELECT count(*) FROM prefetch WHERE name <> %s) < {MOST}
            ON CONFLICT (name) DO UPDATE SET peer = excluded.peer, modalities = excluded.modalities,
              prior_modalities = excluded.prior_modalities, most = excluded.most, years = excluded.years
            RETURNING name""",
        (
            rule.name,
            rule.peer,
            list(rule.modalities) or None,
            list(rule.prior_modalities) or None,
            rule.most,
            rule.years,
            rule.name,
        ),
    )
    if not rows:
        raise invalid(f"there are at most {MOST} prefetch rules", code="too-costly")
    yield record([AuditRow(access.origin, "U", WORD, query=msgspec.json.encode(rule).decode())])


def remove(access: AccessContext, name: str) -> Work[None]:
    """Remove a rule, and what it has not fetched yet; audited. Raises NotFound, Forbidden."""
    require(access)
    wanted = name.replace("\0", "")
    rows = yield Statement("DELETE FROM prefetch WHERE name = %s RETURNING name", (wanted,))
    if not rows:
        raise not_found(f"there is no prefetch rule '{name[:LONGEST_NAME]}'")
    yield Statement("DELETE FROM errand WHERE kind = 'priors' AND rule = %s", (wanted,))
    yield record([AuditRow(access.origin, "D", WORD, query=wanted)])


def rules() -> Work[list[Rule]]:
    """The rules, by name."""
    rows = yield Statement("SELECT name, peer, modalities, prior_modalities, most, years FROM prefetch ORDER BY name")
    return [
        Rule(name, peer, tuple(of or ()), tuple(prior or ()), most, years)
        for name, peer, of, prior, most, years in rows
    ]


def find(name: str) -> Work[Rule | None]:
    """The rule of that name."""
    return next((rule for rule in (yield from rules()) if rule.name == name), None)


def present(studies: Sequence[str]) -> Work[set[str]]:
    """Those of the studies that are here."""
    rows = yield Statement("SELECT study_uid FROM study WHERE study_uid = ANY(%s)", (list(studies),))
    return {study for (study,) in rows}


def patient_of(known_as: Whose) -> Work[str | None]:
    """The logical id of the patient, where they are known here."""
    rows = yield Statement(
        """SELECT k.id FROM study_patient p JOIN patient_key k ON k.pat = p.pat
           WHERE p.patient_id = %s AND p.issuer = %s""",
        known_as,
    )
    return rows[0][0] if rows else None
