"""`_text` and `_content`: what they find, for whom, beside what else, and from which index."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.search.run import search
from tests.support.resources import observation, patient
from tests.support.search import BASE, SIGNER, Clinic, ask

pytestmark = pytest.mark.spec("FHIR R4 search.html#content")


def condition(id_: str, narrative: str, subject: str = "Patient/p", **elements: Any) -> dict[str, Any]:
    """A Condition with what its narrative says."""
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{narrative}</div>'
    text = {"text": {"status": "additional", "div": div}} if narrative else {}
    return {"resourceType": "Condition", "id": id_, **text, "subject": {"reference": subject}, **elements}


def _fill(clinic: Clinic) -> None:
    clinic.put(
        patient(id="p", name=[{"family": "Byron"}]),
        patient(id="q", name=[{"family": "Babbage"}]),
        condition("bone", "<p>Metastases in the <b>bone</b></p>", note=[{"text": "Found by X-ray: AST/ALT 3.5"}]),
        condition("liver", "<p>Liver <i>metast</i>ases</p><p>Late</p>", "Patient/q", code={"text": "Größe des Tumors"}),
        condition("skin", "<table><tr><td>skin</td><td>metastases</td></tr></table>"),
        condition("plain", "", note=[{"text": "bone pain"}, {"text": "of the liver"}]),
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("_text=metastases", "bone liver skin"),
        ("_text=METASTÁSES", "bone liver skin"),
        ("_text=(bone OR liver) and metastases", "bone liver"),
        ("_text=bone,liver", "bone liver"),
        ("_text=metastases -bone", "liver skin"),
        ('_text="liver metastases"', "liver"),
        ('_text="metastases liver"', ""),
        ("_text=metas*", "bone liver skin"),
        ("_text=metas", ""),
        ("_text=td", ""),
        ("_text=bone&_text=metastases", "bone"),
        ("_text=metastases&_content=x-ray", "bone"),
        ("_content=bone", "bone plain"),
        ("_content=ALT", "bone"),
        ("_content=grosse tumors", "liver"),
        ("_content=bone liver", "plain"),
        ('_content="pain of"', ""),
        ('_content="bone pain"', "plain"),
        ("_content=nothing", ""),
        ("_text:missing=true", "plain"),
        ("_text:missing=false", "bone liver skin"),
        ("_content:missing=true", ""),
        ("_text=metastases&subject=Patient/q", "liver"),
        ("subject:Patient.family=byron&_text=metastases", "bone skin"),
        ("_filter=_text co metastases and not (_content co bone)", "liver skin"),
        ("_filter=_text pr false", "plain"),
        ("subject._text=ada", "bone liver plain skin"),
        ("subject:Patient._content=babbage", "liver"),
    ],
)
@pytest.mark.parametrize("count", ["", "&_count=1", "&_sort=_id", "&_sort=-_lastUpdated&_count=2"])
def test_words_are_found(clinic: Clinic, query: str, expected: str, count: str) -> None:
    """In the narrative or anywhere, with any other condition, in any order and on any page."""
    _fill(clinic)
    assert sorted(clinic.ids(f"Condition?{query.replace('+', '%2B')}{count}")) == expected.split()


def test_links_back_compartments_and_several_types(clinic: Clinic) -> None:
    """Full text stands wherever a parameter does."""
    _fill(clinic)
    clinic.put(observation("Patient/q", id="o", note=[{"text": "liver enzymes"}]))
    assert clinic.ids("Patient?_has:Condition:subject:_text=liver") == ["q"]
    assert sorted(clinic.ids("?_content=liver")) == ["liver", "o", "plain"]
    assert sorted(clinic.ids("?_type=Observation,Condition&_content=liver&_sort=_id")) == ["liver", "o", "plain"]
    assert sorted(clinic.ids("Patient/q/*?_content=liver")) == ["liver", "o"]
    assert clinic.page("Condition?_content=liver&_total=accurate&_count=1").total == 2


def test_full_text_follows_the_current_version(clinic: Clinic) -> None:
    """What was changed or deleted is no longer found by its old words, from the moment on when it is answered."""
    clinic.put(condition("c", "<p>first</p>"))
    clinic.put(condition("c", "<p>second</p>"))
    assert (clinic.ids("Condition?_text=first"), clinic.ids("Condition?_content=second")) == ([], ["c"])
    clinic.delete("Condition", "c")
    assert clinic.ids("Condition?_content=second") == []
    assert clinic.run("SELECT count(*) FROM index_words") == [(0,)]


@pytest.mark.parametrize("query", ["_text=metastases", "_content=metastases", "_text:missing=false"])
def test_full_text_is_for_those_who_may_see_it(clinic: Clinic, query: str) -> None:
    """A patient finds the own resources only, and their number is all that is told."""
    _fill(clinic)
    access = clinic.access("patient/*.rs", patient="q")
    page = clinic.page(f"Condition?{query}&_total=accurate", access)
    assert ([hit.id for hit in page.entries], page.total) == (["liver"], 1)
    assert clinic.ids("Patient?_has:Condition:subject:_content=bone", access) == []
    blind = clinic.access("patient/Patient.rs", patient="q")
    assert clinic.ids("Patient?_has:Condition:subject:_content=liver", blind) == []


def test_a_text_of_any_length_is_stored(clinic: Clinic) -> None:
    """What is beyond the room for words is kept, and not found."""
    long = " ".join(f"{n:x}word" for n in range(150_000))
    clinic.put(condition("c", f"<p>beginning {long} ending</p>"))
    assert clinic.ids("Condition?_text=beginning") == ["c"]
    assert clinic.ids("Condition?_text=ending") == []


def test_full_text_costs_one_statement_and_reads_its_index(clinic: Clinic) -> None:
    """A rare word of one type is looked up, whatever how often other types have it."""
    clinic.put(condition("c", "<p>rare</p>"), condition("d", "<p>other</p>"))
    clinic.run(
        """INSERT INTO index_words (pk, narrative, content)
           SELECT 1000000 + n, (CASE WHEN n % 2 = 0 THEN 'rare ' ELSE '' END || 'x _1')::tsvector, 'x _1'::tsvector
           FROM generate_series(1, 20000) n"""
    )
    with clinic.pool.connection() as connection:  # as autovacuum leaves it: the words in the index, not in its list
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE) index_words")
        connection.autocommit = False
    plan = clinic.explain("Condition?_text=rare")
    assert "index_words_narrative" in plan, plan
    assert clinic.ids("Condition?_text=rare") == ["c"]
    work = search(clinic.access("system/*.rs"), ask("Condition?_text=rare"), base=BASE, signer=SIGNER)
    assert clinic.statements(work) == 1
