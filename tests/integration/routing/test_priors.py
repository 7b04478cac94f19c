"""Whose earlier studies are asked for, and which of those that a peer tells of are fetched."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from dicomweb.errand.queue import Kind
from dicomweb.events import study_changed
from dicomweb.procedure.scheduled.operate import add
from dicomweb.routing.priors import (
    Prior,
    Rule,
    Whose,
    arrived,
    chosen,
    find,
    put,
    put_by_hand,
    remove,
    rules,
    scheduled,
    whose,
)
from dicomweb.study.receive import FileMeta
from dicomweb.study.store import deposit
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.outbox import Event
from tests.support.dicom import bare, data_set, part10, uid
from tests.support.study import SYSTEM, Store, caller

EXPLICIT = "1.2.840.10008.1.2.1"


def rule(store: Store, name: str = "ct", **changes: Any) -> Rule:
    """Add a rule that asks PACS."""
    made = Rule(name, **{"peer": "PACS", **changes})
    store.run(put(SYSTEM, made))
    return made


def came(store: Store, study: int = 1, *, from_: str = "CT1", **elements: Any) -> None:
    """An image comes, and the consumer hears of it."""
    image = data_set(study, **elements)
    meta = FileMeta(str(image.SOPClassUID), str(image.SOPInstanceUID), EXPLICIT, from_)
    deposit(store.pool, store.archive, SYSTEM, [store.receive(bare(part10(image)), meta)], "C-STORE")
    store.run(arrived(study_changed([uid(study)])))


def asked(store: Store) -> list[tuple[str, str, str, str]]:
    """What is asked for: kind, of whom, for whom and by which rule."""
    return store.sql("SELECT kind, receiver, about, rule FROM errand ORDER BY seq")


STEP = """INSERT INTO scheduled_step (request, patient_id, issuer, modality, state, performed, sources)
          VALUES ('order', %s, 'H', %s, %s, %s, ARRAY['Task/plan'])"""


def ordered(
    store: Store,
    patient: str = "P1",
    modality: str = "CT",
    state: str = "SCHEDULED",
    performed: str = "",
    event: tuple[str, str] = ("ServiceRequest", "order"),
) -> None:
    """A step is on the worklist, and the consumer hears of what it was made from."""
    store.sql(STEP, patient, modality, state, performed)
    store.run(scheduled([Event("resource", {"type": event[0], "id": event[1]})]))


ARRIVALS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, True),
    ({"modalities": ("MR", "CT")}, {}, True),
    ({"modalities": ("MR",)}, {}, False),
    ({}, {"from_": "PACS"}, False),
    ({}, {"PatientID": None}, False),
    ({}, {"PatientID": "P*"}, False),
    ({}, {"PatientID": "P?1"}, False),
]


@pytest.mark.parametrize(("conditions", "image", "wanted"), ARRIVALS, ids=str)
def test_first_images_of_a_patient_have_priors_asked_for(
    store: Store, conditions: dict[str, Any], image: dict[str, Any], wanted: bool
) -> None:
    """What comes of the rule's modality asks for priors, unless the peer itself sent it, or the patient is nobody."""
    rule(store, **conditions)
    came(store, **image)
    assert asked(store) == ([(Kind.PRIORS, "PACS", "P1\\", "ct")] if wanted else [])


ORDERS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"event": ("Task", "plan")}, True),
    ({"event": ("Task", "other")}, False),
    ({"event": ("Patient", "order")}, False),
    ({"modality": "MR"}, False),
    ({"state": "CANCELED"}, False),
    ({"performed": "STARTED"}, False),
    ({"patient": ""}, False),
    ({"patient": "P*"}, False),
]


@pytest.mark.parametrize(("step", "wanted"), ORDERS, ids=str)
def test_order_has_priors_asked_for(store: Store, step: dict[str, Any], wanted: bool) -> None:
    """A step that is on the worklist asks for priors before the patient comes."""
    rule(store, modalities=("CT",))
    ordered(store, **step)
    assert asked(store) == ([(Kind.PRIORS, "PACS", "P1\\H", "ct")] if wanted else [])


@pytest.mark.parametrize(("modality", "wanted"), [("CT", True), ("MR", False)])
def test_step_put_on_the_worklist_by_hand_has_priors_asked_for(store: Store, modality: str, wanted: bool) -> None:
    """An operator's step is expected like an order's."""
    rule(store, modalities=("CT",))
    store.run(
        add(
            {"PatientID": "P1", "PatientName": "Doe^Jane", "IssuerOfPatientID": "H"},
            {"Modality": modality, "ScheduledProcedureStepStartDate": "20260101"},
            None,
        )
    )
    ((step,),) = store.sql("SELECT step_id FROM scheduled_step")
    store.run(put_by_hand(step))
    assert asked(store) == ([(Kind.PRIORS, "PACS", "P1\\H", "ct")] if wanted else [])


def test_priors_are_asked_for_once_a_day(store: Store) -> None:
    """Further images and orders of a patient ask no more, until a day has passed."""
    rule(store)
    came(store)
    came(store, 2)
    assert store.sql("SELECT times FROM errand") == [(1,)]
    store.sql("UPDATE errand SET ended = now()")
    came(store, 3)
    assert store.sql("SELECT ended IS NULL FROM errand") == [(False,)]
    store.sql("UPDATE errand SET ended = now() - interval '25 hours'")
    came(store, 4)
    assert store.sql("SELECT ended IS NULL FROM errand") == [(True,)]


@pytest.mark.parametrize("about", [Whose("P1", ""), Whose("P 1", "Hospital")])
def test_patient_of_an_errand(about: Whose) -> None:
    """An errand names the patient by PatientID and issuer."""
    assert whose(str(about)) == about


def prior(number: int, day: str = "20260101", modalities: str = "CT") -> Prior:
    """A study that a peer tells of."""
    return Prior(uid(number), day, frozenset(modalities.split()))


TODAY = date(2026, 6, 1)
CHOICES: list[tuple[dict[str, Any], list[Prior], list[int]]] = [
    ({"most": 2}, [prior(1, "20240101"), prior(2, "20260101"), prior(3, "20250101")], [2, 3]),
    ({"years": 1}, [prior(1, "20240101"), prior(2, "20260101")], [2]),
    ({"prior_modalities": ("MR",)}, [prior(1), prior(2, modalities="CT MR"), prior(3, modalities="")], [3, 2]),
    ({}, [prior(1, "")], []),
    ({"most": 1}, [], []),
]


@pytest.mark.parametrize(("conditions", "told", "fetched"), CHOICES, ids=range(len(CHOICES)))
def test_which_priors_are_fetched(conditions: dict[str, Any], told: list[Prior], fetched: list[int]) -> None:
    """The newest that fit, so many as the rule says; what has no date counts as old."""
    found = chosen(Rule("x", "PACS", **conditions), told, TODAY)
    assert [one.study for one in found] == [uid(number) for number in fetched]


def test_rule_is_kept_shown_and_removed(store: Store) -> None:
    """A rule is what was said last of its name; with it goes what it has still to fetch."""
    rule(store)
    said = rule(store, modalities=("CT",), prior_modalities=("CT", "MR"), most=7, years=9)
    assert store.run(rules()) == [said]
    assert store.run(find("ct")) == said
    assert store.run(find("mr")) is None
    came(store)
    store.run(remove(SYSTEM, "ct"))
    assert (store.run(rules()), asked(store)) == ([], [])
    with pytest.raises(HealixError) as raised:
        store.run(remove(SYSTEM, "ct"))
    assert raised.value.category is Category.NOT_FOUND
    assert [row[0] for row in store.sql("SELECT action FROM audit_event WHERE subtype = 'prefetch-rule'")] == [
        "U",
        "U",
        "D",
    ]


BAD: list[dict[str, Any]] = [
    {"name": ""},
    {"most": 0},
    {"most": 51},
    {"years": 0},
    {"years": 101},
    {"modalities": ("",)},
]


@pytest.mark.parametrize("changes", BAD, ids=str)
def test_rules_without_bounds_are_refused(store: Store, changes: dict[str, Any]) -> None:
    """A rule fetches a bounded number of studies of bounded age."""
    with pytest.raises(HealixError) as raised:
        rule(store, **changes)
    assert raised.value.category is Category.INVALID


def test_rules_are_for_who_sees_every_study(store: Store) -> None:
    """A rule brings everybody's images here: so it needs access to everybody's."""
    with pytest.raises(HealixError) as raised:
        store.run(put(caller("patient/ImagingStudy.r", pat=1), Rule("x", "PACS")))
    assert raised.value.category is Category.FORBIDDEN
