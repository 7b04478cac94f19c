"""What an upstream does not take is held, shown and decided; all else goes on."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.care.sync.conflicts import Keep
from healix_fhir.kernel.errors import HealixError
from tests.integration.sync.conftest import Central, Site, patient, reading


def changed_on_both_sides(central: Central, site: Site, name: str) -> None:
    """A patient that both changed, and further changes of the site's."""
    site.connect(central.token)
    site.write(patient(name))
    site.sync()
    central.put(patient(name, "Theirs"))
    site.write(patient(name, "Ours"), patient(name, "Ours 2"), reading(f"{name}-o", name))
    site.sync()


def families(central: Central, name: str) -> list[Any]:
    """The names that the central server's versions had; None for a deletion."""
    return [found and found["name"][0]["family"] for _, found in central.versions(f"Patient/{name}")]


def test_a_conflict_holds_its_resource_only(central: Central, site: Site) -> None:
    """Both versions are shown with where they differ; later versions wait, other resources do not."""
    changed_on_both_sides(central, site, "h-1")
    (one,) = site.conflicts()
    assert (one.type, one.id, one.version, one.refused, one.waiting) == ("Patient", "h-1", 2, False, 2)
    assert one.reason == "it was changed there meanwhile"
    assert one.differs == ["name"]
    assert one.theirs is not None
    assert one.theirs["name"] == [{"family": "Theirs"}]
    assert families(central, "h-1") == ["Doe", "Theirs"]
    assert central.versions("Observation/h-1-o") == [("PUT", reading("h-1-o", "h-1"))]
    now = site.standing()
    assert (now.state, now.behind, now.held, now.conflicts) == ("needs a decision", 2, 2, 1)


def test_ours_goes_over_theirs(central: Central, site: Site) -> None:
    """All versions that waited follow theirs."""
    changed_on_both_sides(central, site, "i-1")
    site.keep("Patient/i-1", Keep.OURS)
    site.sync()
    assert families(central, "i-1") == ["Doe", "Theirs", "Ours", "Ours 2"]
    assert site.standing().state == "level"


def test_theirs_is_taken(central: Central, site: Site) -> None:
    """It is the next version here; what waited does not go up, what comes then does."""
    changed_on_both_sides(central, site, "j-1")
    site.keep("Patient/j-1", Keep.THEIRS)
    assert site.read("Patient/j-1") == patient("j-1", "Theirs")
    site.sync()
    assert families(central, "j-1") == ["Doe", "Theirs"]
    site.write(patient("j-1", "Next"))
    site.sync()
    assert families(central, "j-1") == ["Doe", "Theirs", "Next"]
    assert site.conflicts() == []
    rows = site.sql("SELECT action, entity, query FROM audit_event WHERE subtype = 'sync-conflict'")
    assert rows == [("U", "Patient/j-1", "central: keep theirs")]


def test_neither_is_taken(central: Central, site: Site) -> None:
    """Both stay as they are; the next change asks again."""
    changed_on_both_sides(central, site, "k-1")
    site.keep("Patient/k-1", Keep.NEITHER)
    site.sync()
    assert families(central, "k-1") == ["Doe", "Theirs"]
    assert site.read("Patient/k-1") == patient("k-1", "Ours 2")
    assert (site.conflicts(), site.standing().behind) == ([], 0)
    site.write(patient("k-1", "Next"))
    site.sync()
    assert [one.version for one in site.conflicts()] == [4]
    with pytest.raises(HealixError, match="no such conflict"):
        site.keep("Patient/k-2", Keep.OURS)


@pytest.mark.parametrize("keep", [Keep.OURS, Keep.THEIRS])
def test_deleted_there_and_changed_here(central: Central, site: Site, keep: Keep) -> None:
    """It comes back there, or goes here."""
    name = f"l-{keep}"
    site.connect(central.token)
    site.write(patient(name))
    site.sync()
    central.http.delete(f"/fhir/Patient/{name}").raise_for_status()
    site.write(patient(name, "Ours"))
    site.sync()
    assert [one.reason for one in site.conflicts()] == ["it was deleted there"]
    site.keep(f"Patient/{name}", keep)
    site.sync()
    assert families(central, name) == (["Doe", None, "Ours"] if keep is Keep.OURS else ["Doe", None])
    assert site.read(f"Patient/{name}") == (patient(name, "Ours") if keep is Keep.OURS else None)
    assert site.standing().state == "level"


def test_changed_there_and_deleted_here(central: Central, site: Site) -> None:
    """A deletion takes nothing away that somebody changed there; one that both made is none."""
    site.connect(central.token)
    site.write(patient("m-1"), patient("m-2"))
    site.sync()
    central.put(patient("m-1", "Theirs"))
    central.http.delete("/fhir/Patient/m-2").raise_for_status()
    site.delete("Patient", "m-1")
    site.delete("Patient", "m-2")
    site.sync()
    assert [one.id for one in site.conflicts()] == ["m-1"]
    site.keep("Patient/m-1", Keep.THEIRS)
    site.sync()
    assert families(central, "m-1") == ["Doe", "Theirs"]
    assert site.read("Patient/m-1") == patient("m-1", "Theirs")
    assert site.standing().state == "level"


def test_another_of_the_same_id(central: Central, site: Site) -> None:
    """It is not written over; one that is the same is taken as sent."""
    central.put(patient("n-1", "Theirs"))
    central.put(patient("n-2"))
    site.connect(central.token)
    site.write(patient("n-1"), patient("n-2"))
    site.sync()
    assert [(one.id, one.reason) for one in site.conflicts()] == [("n-1", "there is another of the same id")]
    assert families(central, "n-2") == ["Doe"]
    site.write(patient("n-2", "Roe"))
    site.sync()
    assert families(central, "n-2") == ["Doe", "Roe"]


def test_what_an_upstream_refuses(central: Central, site: Site) -> None:
    """It says why, holds up nothing, has no theirs to take, and may be tried again."""
    site.connect(central.token)
    site.write(patient("o-1"), patient("o-2"))
    site.sql("UPDATE resource SET body = replace(encode(body, 'escape'), 'family', 'famly')::bytea WHERE id = 'o-1'")
    site.sync()
    (one,) = site.conflicts()
    assert (one.id, one.refused, one.theirs) == ("o-1", True, None)
    assert "famly" in one.reason
    assert families(central, "o-2") == ["Doe"]
    with pytest.raises(HealixError, match="nothing of theirs"):
        site.keep("Patient/o-1", Keep.THEIRS)
    site.sql("UPDATE resource SET body = replace(encode(body, 'escape'), 'famly', 'family')::bytea WHERE id = 'o-1'")
    site.keep("Patient/o-1", Keep.OURS)
    site.sync()
    assert families(central, "o-1") == ["Doe"]
