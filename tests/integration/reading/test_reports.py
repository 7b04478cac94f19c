"""The life of an imaging report: drafted, signed, added to, changed; refused in every other way of writing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.reading import ReadingRoom, draft

Json = dict[str, Any]
URL = "/fhir/DiagnosticReport"
PATCH = {"Content-Type": "application/json-patch+json"}


def parameters(**given: Json) -> Json:
    """Parameters by name."""
    each = [
        {"name": name.replace("_", "-"), **({"resource": one} if "resourceType" in one else one)}
        for name, one in given.items()
    ]
    return {"resourceType": "Parameters", "parameter": each}


def written(client: httpx.Client, report: Json) -> Json:
    """What a create stored."""
    answer = client.post(URL, json=report)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def ways(client: httpx.Client, report: Json) -> list[httpx.Response]:
    """Every way to make a version of a report."""
    address = f"{URL}/{report['id']}"
    put = {"request": {"method": "PUT", "url": address.removeprefix("/fhir/")}, "resource": report}
    step = [{"op": "replace", "path": "/status", "value": report["status"]}]
    batch = client.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": [put]})
    entry = batch.json()["entry"][0]["response"]
    return [
        client.put(address, json=report),
        client.put(f"{URL}?_id={report['id']}", json=report),
        client.patch(address, json=step, headers=PATCH),
        client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [put]}),
        httpx.Response(int(entry["status"][:3]), json=entry.get("outcome")),
    ]


@pytest.mark.spec("FHIR R4 valueset-diagnostic-report-status.html")
def test_a_report_is_signed_added_to_and_corrected(shared: ReadingRoom) -> None:
    """By practitioners, each version kept, with who signed it; what was signed changes in no other way."""
    (task,) = shared.found("Task?status=requested")
    with shared.as_("ann") as ann, shared.as_("ben") as ben, shared.as_("out") as stranger:
        report = written(ann, {name: one for name, one in draft(task).items() if name != "basedOn"})
        address = f"{URL}/{report['id']}"
        assert {one.status_code for one in ways(ann, report | {"status": "final"})} == {422}
        assert stranger.post(f"{address}/$sign").status_code == 404
        with shared.as_("ann", "user/DiagnosticReport.rs") as reading:
            assert reading.post(f"{address}/$sign").status_code == 403
        with shared.server.client() as nobody:
            assert nobody.post(f"{address}/$sign").status_code == 401
        with shared.server.client("patient/*.cruds", patient="p", username="pat") as own:
            assert own.post(f"{address}/$sign").status_code == 403
            assert own.post(URL, json=draft(task)).status_code == 422
        assert ann.post(f"{address}/$amend", json=parameters(status={"valueCode": "corrected"})).status_code == 400
        signed = ann.post(f"{address}/$sign", json=parameters(critical={"valueBoolean": True}))
        assert signed.status_code == 200, signed.text
        final = signed.json()
        assert (final["status"], final["resultsInterpreter"]) == ("final", [{"reference": "Practitioner/ann"}])
        assert "issued" in final
        assert [one["reference"] for one in final["basedOn"]] == ["ServiceRequest/o1"]
        assert final["contained"][0]["interpretation"][0]["coding"][0]["code"] == "AA"
        done = shared.get(f"Task/{task['id']}")
        assert (done["status"], done["owner"]) == ("completed", {"reference": "Practitioner/ann"})
        for status in ("preliminary", "amended", "cancelled"):
            assert {one.status_code for one in ways(ann, final | {"status": status})} == {422}, status
        assert ann.put(address, json=final | {"conclusion": "Another."}).status_code == 422
        assert ann.delete(address).status_code == 422
        assert ann.post(f"{address}/$sign").status_code == 422

        given = parameters(status={"valueCode": "appended"}, addendum={"valueString": "Told by telephone."})
        appended = ben.post(f"{address}/$amend", json=given)
        assert appended.status_code == 200, appended.text
        assert (appended.json()["status"], appended.json()["conclusion"]) == ("appended", "Normal CT of the head.")
        assert "Told by telephone." in appended.json()["text"]["div"]
        wanted = draft(task, conclusion="Small <bleeding>.")
        given = parameters(status={"valueCode": "corrected"}, report=wanted, reason={"valueString": "overlooked"})
        corrected = ann.post(f"{address}/$amend", json=given)
        assert (corrected.status_code, corrected.json()["conclusion"]) == (200, "Small <bleeding>."), corrected.text
        assert [one["id"] for one in corrected.json()["contained"]] == ["findings", "addendum-1"]
        versions = ann.get(f"{address}/_history").json()["entry"]
        assert [one["resource"]["status"] for one in versions] == ["corrected", "appended", "final", "preliminary"]
    trails = shared.found(f"Provenance?target=DiagnosticReport/{report['id']}")
    assert {one["agent"][0]["who"]["reference"] for one in trails} == {"Practitioner/ann", "Practitioner/ben"}
    assert len({one["identifier"][0]["value"] for one in (final, appended.json(), corrected.json())}) == 3


def test_one_of_two_readers_reports_a_case(room: ReadingRoom) -> None:
    """Who signs at the same moment, or has not taken it, is told so; a report names no study of another patient."""
    task = room.case()
    with room.as_("ann") as ann, room.as_("ben") as ben, ThreadPoolExecutor(2) as pool:
        ours, theirs = written(ann, draft(task)), written(ben, draft(task))
        owner = {"op": "add", "path": "/owner", "value": {"reference": "Practitioner/ben"}}
        taken = [owner, {"op": "replace", "path": "/status", "value": "accepted"}]
        assert ben.patch(f"/fhir/Task/{task['id']}", json=taken, headers=PATCH).status_code == 200
        assert ann.post(f"{URL}/{ours['id']}/$sign").status_code == 409
        given = [{"op": "remove", "path": "/owner"}, {"op": "replace", "path": "/status", "value": "requested"}]
        assert ben.patch(f"/fhir/Task/{task['id']}", json=given, headers=PATCH).status_code == 200
        signing = [pool.submit(one.post, f"{URL}/{id_}/$sign") for one, id_ in ((ann, ours["id"]), (ben, theirs["id"]))]
        answers = [one.result() for one in signing]
        assert sorted(one.status_code for one in answers) == [200, 409], [one.text for one in answers]
        silent = {name: one for name, one in draft(task).items() if name not in ("contained", "result", "conclusion")}
        empty = written(ann, silent)
        assert "findings or a conclusion" in ann.post(f"{URL}/{empty['id']}/$sign").text
    room.put({"resourceType": "ImagingStudy", "id": "s", "status": "available", "subject": {"reference": "Patient/q"}})
    room.put(draft(task, id="wrong", imagingStudy=[{"reference": "ImagingStudy/s"}]))
    with room.as_("ann") as ann:
        refused = ann.post(f"{URL}/wrong/$sign")
        assert (refused.status_code, "none of this patient" in refused.text) == (422, True)
