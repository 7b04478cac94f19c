"""Parameters that an interaction has not."""

from __future__ import annotations

import pytest

from healix_fhir.interaction.known import known
from healix_fhir.kernel.errors import HealixError
from tests.support.asgi import request
from tests.unit.api.fhir import JSON, Fhir

STRICT = {"Prefer": "handling=strict"}
READS = ["/fhir/Patient/1", "/fhir/Patient/1/_history/3", "/fhir/metadata"]


@pytest.mark.spec("FHIR R4 search.html#errors")
@pytest.mark.parametrize("url", READS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_unknown_parameter_of_a_read(method: str, url: str) -> None:
    """It is ignored, but refused by name to who asks for strict handling; those of every read are known."""
    unknown, plain = f"{url}?nonsense=1&_pretty=false", f"{url}?_format=json&_pretty=false&_summary=false"
    assert request(Fhir().app, method, unknown).status == 200
    assert request(Fhir().app, method, unknown, headers={"Prefer": "handling=lenient"}).status == 200
    assert request(Fhir().app, method, plain, headers=STRICT).status == 200
    fhir = Fhir()
    refused = request(fhir.app, method, unknown, headers=STRICT)
    assert (refused.status, fhir.interactions.asked) == (400, [])
    if method == "GET":
        assert "'nonsense'" in refused.json["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("PUT", "/fhir/Patient/1?identifier=1"),
        ("PATCH", "/fhir/Patient/1?identifier=1"),
        ("DELETE", "/fhir/Patient/1?_cascade=delete"),
        ("POST", "/fhir/Patient?identifier=1"),
    ],
)
def test_a_write_heeds_all_its_parameters(method: str, url: str) -> None:
    """A condition where there is none to be, or a parameter of other servers, is refused: it would be disregarded."""
    fhir = Fhir()
    refused = request(fhir.app, method, url, headers=JSON, body=b"{}")
    assert (refused.status, fhir.interactions.asked) == (400, [])


@pytest.mark.parametrize(("prefer", "status"), [("handling=strict", 400), ("handling=lenient", 200)])
def test_an_unknown_parameter_of_a_bundle(prefer: str, status: int) -> None:
    """The base has no parameters of its own."""
    reply = request(Fhir().app, "POST", "/fhir?nonsense=1", headers={**JSON, "Prefer": prefer}, body=b"{}")
    assert reply.status == status


def test_strict_handling_reaches_a_history() -> None:
    """What a history does with unknown parameters is as the caller prefers."""
    fhir = Fhir()
    request(fhir.app, "GET", "/fhir/_history", headers=STRICT)
    assert fhir.asked == ("history", None, None, [], True)


def test_what_is_known_is_kept_in_order() -> None:
    """Lenient handling leaves out what is unknown, strict handling refuses it."""
    params = [("b", "1"), ("x", "2"), ("a", "3"), ("b", "4")]
    assert known(params, ("a", "b"), strict=False) == [("b", "1"), ("a", "3"), ("b", "4")]
    with pytest.raises(HealixError, match="'x'"):
        known(params, ("a", "b"), strict=True)
