"""JSON Patch by the words of RFC 6902, and by its official examples where they are at hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.model.patch.json_patch import apply, read
from tests.support.resources import shared_data

Json = dict[str, Any]
SPEC = "FHIR R4 http.html#patch"


def patched(document: Json | bytes, *operations: Json) -> Json:
    """What a patch makes."""
    body = document if isinstance(document, bytes) else encode(document)
    return apply(decode(body), read(encode(list(operations))))


def refused(document: Json, body: bytes) -> HealixError:
    """How a patch is refused."""
    with pytest.raises(HealixError) as refusal:
        apply(decode(encode(document)), read(body))
    return refusal.value


@pytest.mark.spec(SPEC)
@pytest.mark.parametrize(
    ("document", "operation", "expected"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": [1]}, {"a": 1, "b": [1]}),
        ({"a": 1}, {"op": "add", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": [1, 2]}, {"op": "add", "path": "/a/1", "value": 9}, {"a": [1, 9, 2]}),
        ({"a": [1, 2]}, {"op": "add", "path": "/a/2", "value": 9}, {"a": [1, 2, 9]}),
        ({"a": [1, 2]}, {"op": "add", "path": "/a/-", "value": 9}, {"a": [1, 2, 9]}),
        ({"a": 1}, {"op": "add", "path": "", "value": {"b": 2}}, {"b": 2}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/a"}, {"b": 2}),
        ({"a": [1, 2, 3]}, {"op": "remove", "path": "/a/1"}, {"a": [1, 3]}),
        ({"a": [1, 2]}, {"op": "replace", "path": "/a/0", "value": None}, {"a": [None, 2]}),
        ({"a": {"b": 1}, "c": {}}, {"op": "move", "from": "/a/b", "path": "/c/d"}, {"c": {"d": 1}}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        ({"a": [1]}, {"op": "move", "from": "/a", "path": "/a"}, {"a": [1]}),
        ({"a": {"b": [1]}}, {"op": "copy", "from": "/a/b", "path": "/c"}, {"a": {"b": [1]}, "c": [1]}),
        ({"a/b": 1, "m~n": 2, "": 3}, {"op": "remove", "path": "/a~1b"}, {"m~n": 2, "": 3}),
        ({"~1": 1, "/": 2}, {"op": "remove", "path": "/~01"}, {"/": 2}),
        ({"": {"": 1}}, {"op": "replace", "path": "//", "value": 2}, {"": {"": 2}}),
    ],
)
def test_each_operation_does_what_it_says(document: Json, operation: Json, expected: Json) -> None:
    """Members and items are added, removed, replaced, moved and copied at the places that pointers name."""
    assert patched(document, operation) == expected


@pytest.mark.spec(SPEC)
@pytest.mark.parametrize(
    ("operation", "category"),
    [
        ({"op": "add", "path": "/x/y", "value": 1}, Category.UNPROCESSABLE),
        ({"op": "add", "path": "/list/3", "value": 1}, Category.UNPROCESSABLE),
        ({"op": "add", "path": "/list/01", "value": 1}, Category.UNPROCESSABLE),
        ({"op": "add", "path": "/list/x", "value": 1}, Category.UNPROCESSABLE),
        ({"op": "add", "path": "/text/x", "value": 1}, Category.UNPROCESSABLE),
        ({"op": "remove", "path": "/x"}, Category.UNPROCESSABLE),
        ({"op": "remove", "path": "/list/-"}, Category.UNPROCESSABLE),
        ({"op": "remove", "path": "/list/2"}, Category.UNPROCESSABLE),
        ({"op": "replace", "path": "/x", "value": 1}, Category.UNPROCESSABLE),
        ({"op": "move", "from": "/x", "path": "/y"}, Category.UNPROCESSABLE),
        ({"op": "copy", "from": "/list/2", "path": "/y"}, Category.UNPROCESSABLE),
        ({"op": "test", "path": "/x", "value": None}, Category.UNPROCESSABLE),
        ({"op": "test", "path": "/text", "value": "b"}, Category.CONFLICT),
        ({"op": "add", "path": "x", "value": 1}, Category.INVALID),
        ({"op": "add", "path": "/~2", "value": 1}, Category.INVALID),
        ({"op": "add", "path": 5, "value": 1}, Category.INVALID),
        ({"op": "add", "path": "/x"}, Category.INVALID),
        ({"op": "move", "path": "/x"}, Category.INVALID),
        ({"op": "move", "from": "/list", "path": "/list/0"}, Category.INVALID),
        ({"op": "merge", "path": "/x"}, Category.INVALID),
        ({"op": ["add"], "path": "/x"}, Category.INVALID),
        ({"path": "/x"}, Category.INVALID),
        ({"op": "remove"}, Category.INVALID),
    ],
)
def test_what_cannot_be_done_is_refused(operation: Json, category: Category) -> None:
    """Malformed operations, places that do not exist and failed tests are told apart, each with its position."""
    error = refused({"list": [1, 2], "text": "a"}, encode([{"op": "test", "path": "/text", "value": "a"}, operation]))
    assert error.category is category
    assert error.message.startswith("operation 1: ")


@pytest.mark.parametrize("step", [{"op": "add", "path": "", "value": 1}, {"op": "remove", "path": ""}])
def test_a_patch_leaves_a_resource(step: Json) -> None:
    """The whole document may be replaced, but only by an object."""
    assert refused({"a": 1}, encode([step])).category is Category.UNPROCESSABLE


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'"x"', b"[1]", b"[[]]", b'[{"op":"remove","op":"add","path":""}]'])
def test_what_is_no_patch_document_is_malformed(body: bytes) -> None:
    """A patch document is an array of objects without repeated members."""
    assert refused({"a": 1}, body).category is Category.INVALID


@pytest.mark.parametrize(
    ("held", "tested", "same"),
    [
        (b"1.50", b"1.5", True),
        (b"1", b"1.0", True),
        (b"true", b"1", False),
        (b"1", b"true", False),
        (b"0", b"false", False),
        (b'"1"', b"1", False),
        (b"null", b"null", True),
        (b"null", b"false", False),
        (b'{"x":1,"y":[1,2]}', b'{"y":[1,2.0],"x":1}', True),
        (b"[1,2]", b"[2,1]", False),
        (b"[1,2]", b"[1]", False),
        (b'{"x":1}', b'{"x":1,"y":1}', False),
    ],
)
def test_equality_is_that_of_json(held: bytes, tested: bytes, same: bool) -> None:
    """Numbers are compared by value and nothing else with them; members in any order, items in theirs."""
    operations = read(b'[{"op":"test","path":"/a","value":' + tested + b"}]")
    document = decode(b'{"a":' + held + b"}")
    if same:
        assert apply(document, operations) == document
    else:
        with pytest.raises(HealixError):
            apply(document, operations)


def test_decimals_keep_their_digits() -> None:
    """A value that a patch brings, and one that it leaves alone, are written with the digits they came with."""
    made = apply(
        decode(b'{"a":72.500}'), read(b'[{"op":"add","path":"/b","value":1.10},{"op":"copy","from":"/a","path":"/c"}]')
    )
    assert encode(made) == b'{"a":72.500,"b":1.10,"c":72.500}'
    assert made["b"] == Decimal("1.1")


def test_what_a_patch_empties_goes_away() -> None:
    """FHIR knows no empty arrays and objects; what comes back in a later operation stays."""
    document = {"name": [{"given": ["A"]}], "contact": [{}], "link": [1]}
    steps = [{"op": "remove", "path": path} for path in ("/name/0/given/0", "/link/0")]
    assert patched(document, *steps) == {"contact": [{}]}
    assert patched(document, *steps, {"op": "add", "path": "/link/-", "value": 2}) == {"contact": [{}], "link": [2]}


def test_copies_share_nothing() -> None:
    """A change of one copy leaves the other, and the patch itself can be applied again."""
    operations = read(
        encode(
            [
                {"op": "add", "path": "/a", "value": [{"x": 1}]},
                {"op": "copy", "from": "/a", "path": "/b"},
                {"op": "replace", "path": "/a/0/x", "value": 2},
            ]
        )
    )
    for _ in range(2):
        assert apply({}, operations) == {"a": [{"x": 2}], "b": [{"x": 1}]}


def test_a_patch_cannot_make_a_giant() -> None:
    """Copies of copies, and nesting within nesting, end in a refusal, not in memory or in a fault."""
    doubling = [{"op": "copy", "from": "", "path": "/a/-"}] * 60
    assert refused({"a": []}, encode(doubling)).category is Category.UNPROCESSABLE
    value: Any = {}
    for _ in range(50):
        value = {"a": value}
    deep: Json = {"op": "add", "path": "", "value": value}
    steps = [deep, *({"op": "add", "path": "/a" * (50 * n), "value": value} for n in range(1, 40))]
    assert refused({}, encode(steps)).category is Category.INVALID


@pytest.mark.spec(SPEC)
def test_the_official_examples() -> None:
    """Every case of the FHIR test suite gives the document, or the failure, that it expects."""
    cases = msgspec.json.decode((shared_data("fhir-test-cases") / "json-patch-tests.json").read_bytes())
    assert len(cases) == 16
    for case in cases:
        if "error" in case:
            assert refused(case["doc"], encode(case["patch"])).message, case["comment"]
        else:
            expected = case["expected"]
            assert patched(case["doc"], *case["patch"]) == expected, case["comment"]


def test_a_patch_cannot_multiply_a_long_string() -> None:
    """What is copied counts by its characters: a small patch does not fill the memory with one attachment."""
    copies = [{"op": "copy", "from": "/a/0", "path": "/a/-"}] * 20
    assert refused({"a": ["x" * 1_000_000]}, encode(copies)).category is Category.UNPROCESSABLE
