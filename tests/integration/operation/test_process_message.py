"""$process-message: what it notifies of is stored once."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.model.validate import validate
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, rows, serve, with_scope
from tests.support.operation import run
from tests.support.resources import observation, patient

EVENTS = "http://terminology.hl7.org/CodeSystem/message-events"
NUMBER = [{"system": "urn:lab", "value": "1,2"}]


def message(event: str = "observation-provide", system: str = EVENTS, **header: Any) -> dict[str, Any]:
    """A message with an Observation that a DiagnosticReport refers to."""
    first, second, third = (f"urn:uuid:5b0c6a1e-8f0e-4b54-9d4e-00000000000{n}" for n in range(3))
    head = {
        "resourceType": "MessageHeader",
        "id": "m-1",
        "eventCoding": {"system": system, "code": event},
        "source": {"endpoint": "http://lab.test/fhir"},
        "focus": [{"reference": third}],
        **header,
    }
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "x"},
        "result": [{"reference": second}],
    }
    resources = ((first, head), (second, observation("Patient/p", encounter=None, identifier=NUMBER)), (third, report))
    entries = [
        {"fullUrl": url, "resource": {key: value for key, value in one.items() if value is not None}}
        for url, one in resources
    ]
    return {"resourceType": "Bundle", "type": "message", "timestamp": "2024-01-01T00:00:00Z", "entry": entries}


def send(url: str, sent: dict[str, Any], *params: tuple[str, str], access: AccessContext = SYSTEM) -> Any:
    """The response to a message."""

    async def use(server: Interactions) -> Any:
        return decode(await run("process-message", server, access, Invocation(params, encode(sent))))

    return serve(url, use)


COUNT = "SELECT count(*) FROM resource"


@pytest.mark.spec("FHIR R4 messageheader-operation-process-message.html")
@pytest.mark.spec("FHIR R4 messaging.html#reliable")
def test_a_message_is_done_once(database_url: str, pool: Pool) -> None:
    """Its resources are stored and refer to each other; when it comes again, the answer is the same, and no more."""
    put(pool, patient(), "p")
    answer = send(database_url, message())
    assert validate(answer, "Bundle") == ()
    (entry,) = answer["entry"]
    assert entry["resource"]["response"] == {"identifier": "m-1", "code": "ok"}
    assert rows(pool, COUNT) == [(4,)]
    again = send(database_url, message())
    assert again | {"timestamp": ""} == answer | {"timestamp": ""}
    assert rows(pool, COUNT) == [(4,)]
    send(database_url, message(id="m-2"))  # another header and report; the observation is known by its number
    assert rows(pool, COUNT) == [(6,)]
    ((body,),) = rows(pool, "SELECT body FROM resource WHERE body LIKE '%%\"DiagnosticReport\"%%'::bytea LIMIT 1")
    ((id_,),) = rows(pool, "SELECT id FROM resource WHERE body LIKE '%%urn:lab%%'::bytea")
    assert decode(body)["result"] == [{"reference": f"Observation/{id_}"}]


@pytest.mark.parametrize(
    ("sent", "params", "category", "named"),
    [
        (message("patient-link"), (), Category.UNSUPPORTED, "patient-link"),
        (message(system="urn:own"), (), Category.UNSUPPORTED, "urn:own#observation-provide"),
        (message(response={"identifier": "x", "code": "ok"}), (), Category.UNSUPPORTED, "response"),
        (message(), (("async", "true"),), Category.UNSUPPORTED, "'async'"),
        (message(), (("response-url", "http://x.test"),), Category.UNSUPPORTED, "'response-url'"),
        (message() | {"type": "collection"}, (), Category.UNPROCESSABLE, "MessageHeader"),
        (message() | {"entry": message()["entry"][1:]}, (), Category.UNPROCESSABLE, "MessageHeader"),
        (
            message() | {"entry": [{"resource": message()["entry"][0]["resource"]}]},
            (),
            Category.UNPROCESSABLE,
            "fullUrl",
        ),
        (patient(), (), Category.INVALID, "'content' is a Patient"),
    ],
)
def test_refusals(
    database_url: str,
    pool: Pool,
    sent: dict[str, Any],
    params: tuple[tuple[str, str], ...],
    category: Category,
    named: str,
) -> None:
    """Other events, what is asynchronous and what is no message are refused by name, and nothing is stored."""
    with pytest.raises(HealixError) as refused:
        send(database_url, sent, *params)
    assert refused.value.category is category
    assert named in refused.value.message
    assert rows(pool, COUNT) == [(0,)]


def test_who_may_not_write_sends_no_message(database_url: str, pool: Pool) -> None:
    """Each resource needs the scope of a create; without one of them nothing is stored."""
    put(pool, patient(), "p")
    some = with_scope("system/MessageHeader.cruds system/Observation.cruds")
    for access in (some, of_patient(pool, "p"), with_scope("system/Observation.cruds system/DiagnosticReport.cruds")):
        with pytest.raises(HealixError) as refused:
            send(database_url, message(), access=access)
        assert refused.value.category is Category.FORBIDDEN
    assert rows(pool, COUNT) == [(1,)]


def test_a_condition_that_fails_is_no_repetition(database_url: str, pool: Pool) -> None:
    """Where several resources have the number, the sender is told; nothing is stored, and nothing said to be."""
    put(pool, patient(), "p")
    for id_ in ("o1", "o2"):
        put(pool, observation("Patient/p", encounter={"display": "x"}, identifier=NUMBER), id_)
    for _ in range(2):
        with pytest.raises(HealixError) as refused:
            send(database_url, message())
        assert refused.value.category is Category.PRECONDITION_FAILED
    assert rows(pool, COUNT) == [(3,)]


def test_a_source_without_an_endpoint(database_url: str) -> None:
    """Is refused by name, though an extension may stand in its place."""
    sent = message()
    sent["entry"][0]["resource"]["source"] = {"_endpoint": {"extension": [{"url": "urn:x", "valueString": "y"}]}}
    with pytest.raises(HealixError) as refused:
        send(database_url, sent)
    assert refused.value.category is Category.UNPROCESSABLE
