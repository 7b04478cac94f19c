"""How the parameters of a call are read: by what the operation declares, and everything else is refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import Parameter, standards
from healix_fhir.operation.declaring import into
from healix_fhir.operation.given import Given
from healix_fhir.operation.reading import Declared
from tests.support.resources import patient

INPUTS = (
    into("name", "string", ""),
    into("kind", "code", "", most="*"),
    into("deep", "boolean", ""),
    into("count", "positiveInt", ""),
    into("share", "decimal", ""),
    into("day", "date", ""),
    into("since", "instant", ""),
    into("period", "Period", ""),
    into("resource", "Resource", ""),
    into("lacking", "string", ""),
    Parameter("property", "in", 0, "2", part=(into("code", "code", "", least=1), into("size", "integer", ""))),
)
DECLARED = Declared("test", {one.name: one for one in INPUTS}, refused=frozenset({"lacking"}))


def parameters(*parts: Any) -> bytes:
    """The body of a call."""
    return encode({"resourceType": "Parameters", "parameter": list(parts)})


def read(*query: tuple[str, str], body: bytes = b"", declared: Declared = DECLARED) -> Given:
    """The parameters of a call."""
    return declared.read(query, body)


@pytest.mark.spec("FHIR R4 operations.html#request")
@pytest.mark.parametrize(
    ("name", "text", "part", "value"),
    [
        ("name", "a b", {"valueString": "a b"}, "a b"),
        ("kind", "x", {"valueCode": "x"}, "x"),
        ("kind", "x", {"valueString": "x"}, "x"),
        ("deep", "true", {"valueBoolean": True}, True),
        ("deep", "false", {"valueBoolean": False}, False),
        ("count", "12", {"valuePositiveInt": 12}, 12),
        ("count", "12", {"valueInteger": 12}, 12),
        ("share", "1.50", {"valueDecimal": Decimal("1.50")}, Decimal("1.50")),
        ("day", "2024-02-29", {"valueDate": "2024-02-29"}, "2024-02-29"),
        ("day", "2024", {"valueDateTime": "2024"}, "2024"),
        ("since", "2024-01-01T00:00:00Z", {"valueInstant": "2024-01-01T00:00:00Z"}, "2024-01-01T00:00:00Z"),
    ],
)
def test_a_query_and_a_body_say_the_same(name: str, text: str, part: dict[str, Any], value: Any) -> None:
    """A parameter of a primitive type is the same value from the query and from a Parameters resource."""
    for given in (read((name, text)), read(body=parameters({"name": name, **part}))):
        assert given.all(name) == [value]
        assert type(given.one(name)) is type(value)


def test_both_may_hold_some() -> None:
    """What the query and the body give is put together."""
    given = read(("kind", "a"), ("_format", "json"), body=parameters({"name": "kind", "valueCode": "b"}))
    assert given.all("kind") == ["a", "b"]
    assert "name" not in given
    assert given.flag("deep", default=True)


def test_resources_types_and_parts() -> None:
    """A resource, a complex type and parts are read from a body, and it is told where the resource was."""
    period, one = {"start": "2024"}, patient()
    given = read(
        body=parameters(
            {"name": "period", "valuePeriod": period},
            {"name": "resource", "resource": one},
            {"name": "property", "part": [{"name": "code", "valueCode": "c"}, {"name": "size", "valueInteger": 2}]},
        )
    )
    assert given.json("period") == period
    assert given.json("resource") == one
    assert given.place("resource") == ("parameter", 1, "resource")
    ((size,),) = (part.all("size") for part in given.parts("property"))
    assert size == 2
    assert read(body=encode(one)).json("resource") == one


PROPERTY = {"name": "property", "part": [{"name": "code", "valueCode": "c"}]}


@pytest.mark.spec("FHIR R4 operations.html#request")
@pytest.mark.parametrize(
    ("query", "body", "named"),
    [
        ([("strange", "1")], b"", "'strange'"),
        ([("name", "")], b"", "'name'"),
        ([("name", "a"), ("name", "b")], b"", "'name' may stand once"),
        ([("deep", "yes")], b"", "'deep' must be true or false"),
        ([("count", "0")], b"", "'count'"),
        ([("count", "1e1")], b"", "'count'"),
        ([("count", "9" * 5000)], b"", "'count'"),
        ([("share", "NaN")], b"", "'share'"),
        ([("day", "2023-02-29")], b"", "'day'"),
        ([("since", "2024-01-01")], b"", "'since'"),
        ([("period", "2024")], b"", "'period'"),
        ([("resource", "x")], b"", "'resource'"),
        ([("property", "x")], b"", "'property'"),
        ([], b"[]", "object"),
        ([], parameters(1), "not valid"),
        ([], parameters({"valueString": "x"}), "not valid"),
        ([], parameters({"name": "name", "valueString": "x", "valueCode": "y"}), "not valid"),
        ([], parameters({"name": "strange", "valueString": "x"}), "'strange'"),
        ([], parameters({"name": "name"}), "'name' has no valueString"),
        (
            [],
            parameters({"name": "name", "_valueString": {"extension": [{"url": "urn:x", "valueCode": "y"}]}}),
            "'name' has no valueString",
        ),
        ([], parameters({"name": "name", "valueBoolean": True}), "'name' has no valueString"),
        ([], parameters({"name": "count", "valueDecimal": Decimal("1.5")}), "'count'"),
        ([], parameters({"name": "period", "valueString": "2024"}), "'period' has no valuePeriod"),
        ([], parameters({"name": "resource", "valueString": "x"}), "'resource' is a resource"),
        ([], parameters({"name": "resource", "resource": {"resourceType": "Spaceship"}}), "no type"),
        ([], parameters({"name": "resource", "resource": patient(active="yes")}), "Patient.active"),
        ([], encode(patient(active="yes")), "Patient.active"),
        ([], parameters({"name": "property", "part": []}), "not valid"),
        ([], parameters({"name": "property"}), "'property.code'"),
        ([], parameters({"name": "property", "part": [{"name": "x", "valueCode": "c"}]}), "'property.x'"),
        ([], parameters(PROPERTY, PROPERTY, PROPERTY), "'property' may stand at most 2 times"),
    ],
)
def test_what_is_not_declared_is_refused_by_name(query: list[tuple[str, str]], body: bytes, named: str) -> None:
    """An unknown name, a value of another type, too many or too few of one are Invalid, and named."""
    with pytest.raises(HealixError) as refused:
        read(*query, body=body)
    assert refused.value.category is Category.INVALID
    assert named in " ".join([refused.value.message, *(issue.message for issue in refused.value.issues)])


def test_what_this_server_lacks_is_refused_by_name() -> None:
    """A parameter that R4 defines and this server does not read is Unsupported."""
    for query, body in (((("lacking", "x"),), b""), ((), parameters({"name": "lacking", "valueString": "x"}))):
        with pytest.raises(HealixError) as refused:
            read(*query, body=body)
        assert refused.value.category is Category.UNSUPPORTED
        assert "'lacking'" in refused.value.message


def test_a_resource_that_is_to_be_judged_may_be_wrong() -> None:
    """Where an operation takes a resource as it is sent, only its type is looked at."""
    declared = Declared("test", DECLARED.inputs, as_sent=frozenset({"resource"}))
    wrong = patient(active="yes")
    assert read(body=encode(wrong), declared=declared).json("resource") == wrong
    with pytest.raises(HealixError):
        read(body=encode({"resourceType": "Spaceship"}), declared=declared)


def test_a_search_takes_its_own_parameters() -> None:
    """An operation that narrows a search hands on what it does not declare."""
    declared = Declared("test", DECLARED.inputs, searches=True)
    body = parameters({"name": "code", "valueString": "x"}, {"name": "count", "valuePositiveInt": 2})
    given = declared.read([("category", "vital-signs")], body)
    assert given.further == (("category", "vital-signs"), ("code", "x"))
    assert given.number("count") == 2


def test_the_definitions_of_r4_are_all_there() -> None:
    """Each names only types that can be read, and parameters as R4 has them."""
    assert len(standards()) == 46
    for one in standards().values():
        assert one.levels
        assert one.types is None or one.types <= TYPE_ID.keys()
    given = standards()["Patient-everything"].inputs
    assert list(given) == ["start", "end", "_since", "_type", "_count", "_offset"]
    assert (given["_type"].max, given["_type"].type) == ("*", "code")
