"""Metadata that were sent before: sent again to those who may see them, while their rows are the same."""

from __future__ import annotations

import pytest

from dicomweb.study.retrieve import metadata
from dicomweb.study.unchanged import state_of, unchanged
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from tests.support.dicom import ct, uid
from tests.support.query_recorder import query_recorder
from tests.support.study import SYSTEM, Store, caller

AUDITED = (
    "SELECT action, outcome, client, patient, entity, query FROM audit_event"
    " WHERE subtype = 'retrieve-metadata' ORDER BY seq"
)
LEVELS = [(uid(1), None, None), (uid(1), uid(1, 1), None), (uid(1), uid(1, 1), uid(1, 1, 1))]
Uids = tuple[str, str | None, str | None]


def state(store: Store, uids: Uids) -> bytes:
    """The state of what everything shows."""
    return state_of(one.mark for one in store.run(metadata(SYSTEM, *uids)))


@pytest.mark.parametrize("uids", LEVELS)
def test_what_is_the_same_takes_one_statement_and_is_on_record(store: Store, uids: Uids) -> None:
    """At each level the database recognises the rows, and writes the audit row that it wrote the first time."""
    store.add(*(ct(1, 1, number, size=8) for number in (3, 1, 2)), ct(1, 2, 1, size=8))
    (pat,) = store.sql("INSERT INTO patient_key (id) VALUES ('p') RETURNING pat")[0]
    store.sql("UPDATE study SET pat = %s", pat)
    known = state(store, uids)
    with query_recorder() as recorded:
        assert store.run(unchanged(SYSTEM, *uids, known)) is True
    assert len([one for one in recorded if "instance" in one]) == len(recorded) == 1
    first, second = store.sql(AUDITED)
    assert first == second == ("R", 0, "test", "p", uid(1), uids[2])


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM instance WHERE instance_number = 1",
        "UPDATE instance SET metadata = metadata WHERE instance_number = 1",
        "UPDATE series SET series_number = 7",
    ],
)
@pytest.mark.parametrize("uids", LEVELS[:2])
def test_what_has_changed_is_not_sent_again(store: Store, uids: Uids, change: str) -> None:
    """An instance less or with other content, or another series: the database says so, and audits nothing."""
    store.add(*(ct(1, 1, number, size=8) for number in (1, 2)))
    known = state(store, uids)
    assert store.run(unchanged(SYSTEM, *uids, known)) is True
    store.sql(change)
    assert store.run(unchanged(SYSTEM, *uids, known)) is False
    assert len(store.sql(AUDITED)) == 2
    assert state(store, uids) != known


def test_a_further_instance_is_a_change(store: Store) -> None:
    """What came in meanwhile is shown too."""
    store.add(ct(1, 1, 1, size=8))
    known = state(store, LEVELS[1])
    store.add(ct(1, 1, 2, size=8))
    assert store.run(unchanged(SYSTEM, *LEVELS[1], known)) is False


def test_what_was_sent_opens_nothing(store: Store) -> None:
    """Who may not see the study is answered as if it were not there, by as many statements as when nobody had seen it;
    so is who may no longer see it.
    """
    store.add(ct(1, 1, 1, size=8))
    (own,), (other,) = store.sql("INSERT INTO patient_key (id) VALUES ('own'), ('other') RETURNING pat")
    store.sql("UPDATE study SET pat = %s", own)
    known = state(store, LEVELS[1])
    access, stranger = (caller("patient/*.rs", pat=pat) for pat in (own, other))

    def refused(work: AccessContext, *, remembered: bool) -> tuple[Category, str, int]:
        with query_recorder() as recorded, pytest.raises(HealixError) as caught:
            store.run(unchanged(work, *LEVELS[1], known) if remembered else metadata(work, uid(7), uid(7, 1)))
        return caught.value.category, caught.value.message, len(recorded)

    nothing = refused(stranger, remembered=False)
    assert nothing[0] is Category.NOT_FOUND
    assert refused(stranger, remembered=True) == nothing
    assert store.run(unchanged(access, *LEVELS[1], known)) is True
    store.sql("UPDATE study SET pat = %s", other)
    assert refused(access, remembered=True) == nothing
    with pytest.raises(HealixError) as caught:
        store.run(unchanged(caller("system/ImagingStudy.s"), *LEVELS[1], known))
    assert caught.value.category is Category.FORBIDDEN
