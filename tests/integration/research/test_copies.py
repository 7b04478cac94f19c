"""De-identified copies in the store: made, found in their project alone, made again, removed."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from psycopg import connect
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicomweb.archive.local import LocalArchive
from dicomweb.deidentify.options import BurnedIn, Option, PixelRule, Profile, Region
from dicomweb.research.copies import remove
from dicomweb.research.projects import Project, create, delete, listed
from dicomweb.study import expire
from dicomweb.study.overview import look_up, overview
from dicomweb.study.parameters import parse
from dicomweb.study.query import Level, query
from dicomweb.study.relabel.asked import ask
from dicomweb.study.retention import Rule, put
from dicomweb.study.retrieve import instances
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.research import OPERATOR, copied, project
from tests.support.study import SYSTEM, Store, caller

pytestmark = pytest.mark.spec("PS3.15 E.1.1 (2026c)")


def image(study: int = 1, instance: int = 1, **elements: Any) -> bytes:
    """A small CT image."""
    return part10(with_pixels(data_set(study, 1, instance, **elements)))


def found(store: Store, access: AccessContext, *keys: tuple[str, str], level: Level = Level.STUDY) -> list[str]:
    """The UIDs that a search finds."""
    matches = store.run(query(access, parse(level, list(keys))))
    tag = {Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}[level]
    return [json.loads(one)[tag]["Value"][0] for one in matches.objects]


@pytest.fixture
def trial(store: Store) -> Project:
    """A project with copies of one of two studies."""
    store.add(image(1, 1), image(1, 2), image(2, 1, PatientID="P2", PatientName="Roe^Jim"))
    one = project(store.pool)
    report = _copied(store, one, uid(1))
    assert (report.instances, report.refused) == (2, 0)
    return one


def _copied(store: Store, one: Project, *studies: str) -> Any:
    assert isinstance(store.archive, LocalArchive)
    return copied(store.pool, store.archive, one, studies)


def test_a_copy_is_seen_in_its_project_alone(store: Store, trial: Project) -> None:
    """The project sees the copy and no original; everybody else sees originals and no copy."""
    copy = trial.keys.uid(uid(1))
    access = trial.access
    assert found(store, access) == [copy]
    assert set(found(store, SYSTEM)) == {uid(1), uid(2)}
    assert set(found(store, SYSTEM, level=Level.INSTANCE)) == {uid(1, 1, 1), uid(1, 1, 2), uid(2, 1, 1)}
    assert len(store.run(instances(access, copy))) == 2
    other = project(store.pool, "other").access
    for stranger in (SYSTEM, other, caller("user/*.cruds", practitioner="x"), caller("patient/*.rs", pat=1)):
        assert copy not in found(store, stranger)
        with pytest.raises(HealixError) as refused:
            store.run(instances(stranger, copy))
        assert refused.value.category is Category.NOT_FOUND


@pytest.mark.parametrize(
    "key",
    [
        ("PatientID", "P1"),
        ("PatientName", "Doe*"),
        ("AccessionNumber", "A1"),
        ("StudyInstanceUID", uid(1)),
        ("StudyDate", "20260102"),
        ("StudyDescription", "*Chest*"),
        ("ReferringPhysicianName", "House*"),
    ],
)
def test_original_identifiers_match_nothing(store: Store, trial: Project, key: tuple[str, str]) -> None:
    """What an object was is found by nobody who may see the copy only."""
    assert found(store, trial.access, key) == []


def test_copies_are_made_again_without_change(store: Store, trial: Project) -> None:
    """Made again, copies stay as they are, and what came since is added."""
    before = store.sql("SELECT blob FROM instance WHERE instance_uid LIKE '2.25.%%' ORDER BY 1")
    store.add(image(1, 3))
    assert _copied(store, trial, uid(1)).instances == 3
    after = store.sql("SELECT blob FROM instance WHERE instance_uid LIKE '2.25.%%' ORDER BY 1")
    assert len(after) == 3
    assert set(before) < set(after)


def test_what_is_refused_is_in_the_report(store: Store, trial: Project) -> None:
    """An object that cannot be de-identified is not copied, and the report says why without naming it."""
    store.add(image(3, 1, SOPClassUID=SecondaryCaptureImageStorage))
    report = _copied(store, trial, uid(3))
    assert (report.instances, report.refused) == (0, 1)
    assert found(store, trial.access) == [trial.keys.uid(uid(1))]
    for told in (report.as_text(), json.dumps(report.as_json())):
        assert "text may be burned into its pixels" in told
        assert uid(3) not in told
        assert "Doe" not in told
        assert "P1" not in told


def test_copies_are_removed(store: Store, trial: Project) -> None:
    """Copies go by the UID of their original; only then the project may."""
    with pytest.raises(HealixError, match="copies"):
        store.run(delete("trial", OPERATOR))
    assert store.run(remove(trial, [uid(1)])) == 2
    assert found(store, trial.access) == []
    assert set(found(store, SYSTEM)) == {uid(1), uid(2)}
    store.run(delete("trial", OPERATOR))
    assert store.run(listed()) == []


def test_the_list_of_projects_has_no_secret(store: Store, trial: Project) -> None:
    """Projects are listed with what they have, and their secrets are nowhere."""
    (line,) = store.run(listed())
    assert (line.name, line.studies, line.instances, line.options) == ("trial", 1, 2, ["113100"])
    assert trial.secret.hex() not in repr(line) + repr(trial)


def test_a_project_that_retains_uids_has_no_copies(store: Store) -> None:
    """The store has one object of a UID: such a project is for export."""
    store.add(image())
    with pytest.raises(HealixError, match="export"):
        _copied(store, project(store.pool, "linked", Option.UIDS), uid(1))


def test_rules_that_would_blank_nothing_are_refused(store: Store) -> None:
    """Rules for pixels without their option are refused before an image goes out with what they were to blank."""
    rules = (PixelRule((Region(0, 0, -1, 40),)),)
    unclean = Profile(burned_in=BurnedIn.KEEP, regions=rules)
    with pytest.raises(HealixError, match="clean-pixel-data"):
        store.run(create("unclean", unclean, OPERATOR))
    store.run(create("clean", Profile(frozenset({Option.PIXELS}), regions=rules), OPERATOR))


def test_nobody_stores_into_a_copy(store: Store, trial: Project) -> None:
    """An object that names the study of a copy is refused to everybody outside of the project."""
    intruder = Dataset()
    intruder.update(data_set(9, 1, 1, PatientID=trial.keys.pseudonym("P1\0"), PatientName=None))
    intruder.StudyInstanceUID = trial.keys.uid(uid(1))
    (outcome,) = store.add(part10(intruder))
    assert outcome.status.value == "refused"
    assert len(store.run(instances(trial.access, trial.keys.uid(uid(1))))) == 2


def test_nobody_relabels_a_copy(store: Store, trial: Project) -> None:
    """Labels would take a copy out of its project and into a record: it is answered like what does not exist."""
    with pytest.raises(HealixError) as caught:
        store.run(ask(SYSTEM, trial.keys.uid(uid(1)), labels={"PatientID": "P2"}, reason="wrong worklist entry"))
    assert caught.value.category is Category.NOT_FOUND


@pytest.mark.parametrize("series", [(), (uid(2, 1),)])
def test_nothing_goes_into_a_copy(store: Store, trial: Project, series: tuple[str, ...]) -> None:
    """A copy's study takes no original: it would open that to the project, with all that it says of its patient."""
    before = store.sql("SELECT study_uid, pat, instance_count FROM study ORDER BY pk")
    with pytest.raises(HealixError) as caught:
        store.run(ask(SYSTEM, uid(2), series=series, target=trial.keys.uid(uid(1)), reason="wrong worklist entry"))
    assert caught.value.category is Category.NOT_FOUND
    assert store.sql("SELECT study_uid, pat, instance_count FROM study ORDER BY pk") == before


def test_who_manages_studies_sees_no_copy(store: Store, trial: Project) -> None:
    """A copy is neither looked up by pseudonym or UID nor shown to those who manage the store."""
    copy = trial.keys.uid(uid(1))
    pseudonym = trial.keys.pseudonym("P1\0")
    assert store.sql("SELECT patient_id FROM study WHERE study_uid = %s", copy) == [(pseudonym,)]
    assert store.run(look_up(SYSTEM, pseudonym)) == store.run(look_up(SYSTEM, copy)) == []
    with pytest.raises(HealixError) as caught:
        store.run(overview(SYSTEM, copy))
    assert caught.value.category is Category.NOT_FOUND
    assert store.run(overview(SYSTEM, uid(1))).uid == uid(1)


def test_copies_of_originals_with_random_uids_are_removed(store: Store) -> None:
    """The UID of an original may be of the kind that copies have."""
    original = "2.25.1234567"
    store.add(image(StudyInstanceUID=original))
    one = project(store.pool)
    _copied(store, one, original)
    assert store.run(remove(one, [original])) == 1
    _copied(store, one, original)
    assert store.run(remove(one, [one.keys.uid(original)])) == 1
    assert found(store, SYSTEM) == [original]


def test_rules_of_retention_are_of_originals(store: Store, database_url: str) -> None:
    """Copies are their project's to remove: a dry run does not announce what the run would leave."""
    store.add(image(1, 1, StudyDate="20100101"), image(2, 1, StudyDate="20100101"))
    _copied(store, project(store.pool, "trial", Option.FULL_DATES), uid(1))
    store.sql("UPDATE study SET updated = updated - interval '20 years'")
    store.run(put(SYSTEM, Rule("ct", 3653, ("CT",))))
    with connect(database_url, autocommit=True) as connection:
        assert {one.study for one in expire.over(connection, date(2026, 6, 1))} == {uid(1), uid(2)}
