"""$validate-code of value sets: members, their displays, and what cannot be known."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from tests.support.fhir_server import SYSTEM, Pool, put, rows, serve, with_scope
from tests.support.operation import run

from .test_expand import COLOURS, SET, Json, colours, value_set

URL = f"url={SET}"
RED = f"{URL}&system={COLOURS}&code=red"


@pytest.fixture
def stored(pool: Pool) -> None:
    """Colours and two units, all but one in a value set."""
    put(pool, colours(), "c")
    units = {"system": "http://unitsofmeasure.org"}
    loinc = {"system": "http://loinc.org", "concept": [{"code": "1-8", "display": "Acyclovir"}]}
    body = value_set({"system": COLOURS}, units, loinc)
    body["compose"]["exclude"] = [{"system": COLOURS, "concept": [{"code": "blue"}]}]
    put(pool, body, "v")


def validate(url: str, query: str = "", *parts: Json, **call: Any) -> Json:
    """The parameters of the answer."""
    body = encode({"resourceType": "Parameters", "parameter": list(parts)}) if parts else b""
    asked = Invocation(tuple(parse_qsl(query)), body, "ValueSet", call.pop("id", None))
    answer = decode(serve(url, lambda server: run("validate-code", server, call.pop("access", SYSTEM), asked)))
    return {part["name"]: next(value for name, value in part.items() if name != "name") for part in answer["parameter"]}


@pytest.mark.spec("FHIR R4 valueset-operation-validate-code.html")
@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("query", "result", "display", "message"),
    [
        (RED, True, "Red", ""),
        (f"{RED}&display=red", True, "Red", ""),
        (f"{RED}&display=Rouge", True, "Red", ""),
        (f"{RED}&display=Rot&displayLanguage=de", True, "Rot", ""),
        (f"{RED}&display=Green", False, "Red", "is not called 'Green'"),
        (f"{RED}&systemVersion=1.1", True, "Red", ""),
        (f"{RED}&systemVersion=1", True, "Red", ""),
        (f"{RED}&systemVersion=7", False, None, "not in the value set"),
        (f"{URL}&code=red", True, "Red", ""),
        (f"{URL}&system={COLOURS}&code=blue", False, None, "not in the value set"),
        (f"{URL}&system={COLOURS}&code=RED", False, None, "does not exist in its code system"),
        (f"{URL}&system={COLOURS}&code=warm", False, "Warm ones", "abstract"),
        (f"{URL}&system={COLOURS}&code=warm&abstract=true", True, "Warm ones", ""),
        (f"{URL}&system=http://unitsofmeasure.org&code=mg/dL", True, None, ""),
        (f"{URL}&system=http://unitsofmeasure.org&code=mgg", False, None, "does not exist in its code system"),
        (f"{URL}&system=http://loinc.org&code=1-8&display=anything", False, "Acyclovir", "is not called"),
        (f"{URL}&system=http://loinc.org&code=1-8", True, "Acyclovir", ""),
        (f"{URL}&system=http://loinc.org&code=1-9", False, None, "not in the value set"),
        (f"{URL}&system=http://nowhere.test&code=x", False, None, "not in the value set"),
    ],
)
def test_a_code_is_judged(
    database_url: str, pool: Pool, query: str, result: bool, display: str | None, message: str
) -> None:
    """Whether it is a member, why not, and what it is called; a display must be one of the concept's."""
    answer = validate(database_url, query)
    assert (answer["result"], answer.get("display")) == (result, display)
    assert message in answer.get("message", "")
    assert rows(pool, "SELECT subtype, entity FROM audit_event ORDER BY seq")[-1] == ("$validate-code", SET)


@pytest.mark.usefixtures("stored")
def test_the_ways_to_give_a_code(database_url: str) -> None:
    """As a coding, or as a concept of which one coding is a member; once."""
    url = {"name": "url", "valueUri": SET}
    red, blue = ({"system": COLOURS, "code": code} for code in ("red", "blue"))
    assert validate(database_url, "", url, {"name": "coding", "valueCoding": red})["result"] is True
    assert validate(database_url, "", url, {"name": "coding", "valueCoding": blue})["result"] is False
    both = {"name": "codeableConcept", "valueCodeableConcept": {"coding": [blue, red]}}
    assert validate(database_url, "", url, both) == {"result": True, "display": "Red"}
    assert validate(database_url, f"system={COLOURS}&code=red", id="v")["result"] is True
    for query, parts in (
        (URL, []),
        (RED, [{"name": "coding", "valueCoding": red}]),
        ("", [url, {"name": "coding", "valueCoding": {"system": COLOURS}}]),
        ("", [url, {"name": "codeableConcept", "valueCodeableConcept": {"text": "x"}}]),
        ("display=x", [url, {"name": "coding", "valueCoding": red}]),
        (f"{RED}&date=2001", []),
        (f"system={COLOURS}&code=red", []),
    ):
        with pytest.raises(HealixError) as caught:
            validate(database_url, query, *parts)
        assert caught.value.category is Category.INVALID


def test_what_cannot_be_known_is_said(database_url: str, pool: Pool) -> None:
    """A value set by a filter on a code system that is not here answers neither yes nor no."""
    put(pool, value_set({"system": "http://loinc.org"}), "v")
    with pytest.raises(HealixError, match=r"loinc.org is not known"):
        validate(database_url, f"{URL}&system=http://loinc.org&code=1-8")
    assert validate(database_url, f"{URL}&system={COLOURS}&code=red")["result"] is False


def test_of_what_an_element_is_bound_to(database_url: str, pool: Pool) -> None:
    """The context names an element of a StructureDefinition."""
    gender = "context=http://hl7.org/fhir/StructureDefinition/Patient%23Patient.gender"
    assert validate(database_url, f"{gender}&code=male") == {"result": True, "display": "Male"}
    assert validate(database_url, f"{gender}&code=m")["result"] is False


@pytest.mark.usefixtures("stored")
def test_hidden_code_systems_are_not_there(database_url: str) -> None:
    """Who may read value sets and no code systems is told that the system is not known."""
    with pytest.raises(HealixError, match=r"colours is not known"):
        validate(database_url, RED, access=with_scope("system/ValueSet.r"))
