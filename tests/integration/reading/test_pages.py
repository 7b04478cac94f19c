"""The pages of reading: a case taken, drafted, signed, added to and changed; what the referrer and the patient read."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from unittest.mock import patch

import httpx

from healix_fhir.pages.reading import finding
from tests.support.portal import browser, csrf, sign_in
from tests.support.reading import ReadingRoom, draft
from tests.support.search import BASE

Json = dict[str, Any]
LIST, RESULTS = "/account/reading", "/account/results"
TEXTS = {"technique": "Spiral CT.", "comparison": "None.", "findings": "No <b>haemorrhage</b>.\r\nElse normal.",
         "impression": "Normal."}  # fmt: skip


async def send(client: httpx.AsyncClient, page: httpx.Response, address: str, **fields: str) -> httpx.Response:
    """Send a form of a page."""
    return await client.post(address, data=fields | {"csrf": csrf(page)})


def test_a_case_from_the_list_to_the_referrer(room: ReadingRoom, database_url: str) -> None:
    """By two readers, who ordered and the patient; others see nothing, and who is not signed in signs in first."""
    assert BASE
    room.images("1.2.826.0.1.3680043.10.1714.94", 7, StudyDate="20250102", StudyDescription="Old head")
    room.images("1.2.826.0.1.3680043.10.1714.95", 8, StudyDate="20250203", BodyPartExamined="KNEE", Modality="DX",
                StudyDescription="Knee")  # fmt: skip
    (old,) = [one for one in room.found("ImagingStudy?subject=Patient/p") if one["description"] == "Old head"]
    earlier = draft({"for": old["subject"], "basedOn": None, "focus": {"reference": f"ImagingStudy/{old['id']}"}})
    room.put({name: one for name, one in earlier.items() if one is not None} | {"id": "r0", "status": "final"})
    task = room.case(priority="stat", reasonCode=[{"text": "Fell from a horse"}])
    case = f"{LIST}/{task['id']}"
    room.put(task | {"id": "older", "authoredOn": "2001-01-01T00:00:00Z"})

    async def story() -> None:
        async with browser(database_url) as ann, browser(database_url) as ben, browser(database_url) as other:
            assert (await ann.get(LIST)).headers["location"] == "/account/login"
            await sign_in(ann, "ann")
            await sign_in(ben, "ben")
            await sign_in(other, "out")
            listed = await ann.get(LIST)
            assert all(text in listed.text for text in ("CT head", "At once", "Müller", "waits for"))
            for query, there in (
                ("modality=CT&priority=stat", True),
                ("modality=MR", False),
                ("since=2999-01-01", False),
            ):
                assert ("CT head" in (await ann.get(f"{LIST}?{query}")).text) is there, query
            assert (await ann.get(f"{LIST}?since=yesterday")).status_code == 400
            assert "CT head" not in (await other.get(LIST)).text
            assert (await other.get(case)).status_code == 404
            assert (await send(other, await other.get(LIST), LIST, case=task["id"], deed="take")).status_code == 404
            assert (await ann.post(LIST, data={"case": task["id"], "deed": "take"})).status_code == 403

            begun = await ben.get(LIST)
            taken = await send(ann, listed, LIST, case=task["id"], deed="take")
            assert (taken.status_code, taken.headers["location"]) == (303, case)
            assert (await send(ben, begun, LIST, case=task["id"], deed="take")).status_code == 409
            assert (await send(ben, begun, case, deed="save", **TEXTS)).status_code == 400
            with patch.object(finding, "MOST", 1):
                assert case in (await ann.get(LIST)).text
            with room.system() as system:
                assert system.delete("/fhir/Task/older").is_success
            form = await ann.get(case)
            assert "Fell from a horse" in form.text
            assert form.text.index("Old head") < form.text.index("Knee")
            assert f"{RESULTS}/r0" in form.text
            assert "/ohif/viewer?StudyInstanceUIDs=" in form.text
            saved = await send(ann, form, case, deed="save", **TEXTS)
            assert saved.headers["location"] == f"{case}?done=saved", saved.text
            (held,) = room.found("DiagnosticReport?status=preliminary")
            assert held["code"]["text"] == "CT head"
            assert held["contained"][2]["valueString"] == "No <b>haemorrhage</b>.\nElse normal."
            stale = await send(ann, form, case, deed="save", version="0", **(TEXTS | {"impression": "Mine"}))
            assert (stale.status_code, "changed elsewhere" in stale.text, ">Mine<" in stale.text) == (400, True, True)
            again = await ann.get(case)
            (version,) = re.findall(r'name="version" value="(\d+)"', again.text)
            empty = dict.fromkeys(TEXTS, "")
            refused = await send(ann, again, case, deed="sign", version=version, **empty)
            assert (refused.status_code, "findings or a conclusion" in refused.text) == (400, True)
            (version,) = re.findall(r'name="version" value="(\d+)"', refused.text)
            signed = await send(ann, refused, case, deed="sign", version=version, critical="yes", **TEXTS)
            assert signed.headers["location"] == f"{case}?done=signed", signed.text
            done = await ann.get(signed.headers["location"])
            assert "No &lt;b&gt;haemorrhage&lt;/b&gt;" in done.text
            assert (await send(ann, done, case, deed="save", **TEXTS)).status_code == 400
            added = await send(ben, await ben.get(case), case, deed="append", addendum="Seen with the ward.")
            assert added.headers["location"] == f"{case}?done=changed", added.text
            wrong = await send(ben, done, case, deed="revise", status="corrected", reason="x", **TEXTS)
            assert wrong.status_code == 403
            form = await ben.get(case)
            same = await send(ben, form, case, deed="revise", status="corrected", reason="x", **TEXTS)
            assert (same.status_code, "Nothing was changed" in same.text) == (400, True)
            other_text = TEXTS | {"impression": "Small bleeding."}
            revised = await send(ben, form, case, deed="revise", status="corrected", reason="overlooked", **other_text)
            assert revised.headers["location"] == f"{case}?done=changed", revised.text
            room.settle()
            assert "No images of your patients wait" in (await ann.get(LIST)).text

        async with browser(database_url) as ref, browser(database_url) as pat, browser(database_url) as other:
            await sign_in(ref, "ref")
            await sign_in(pat, "pat")
            await sign_in(other, "out")
            inbox = await ref.get(RESULTS)
            assert inbox.text.count("Read now:") == 3
            (report,) = set(re.findall(rf'href="({RESULTS}/[^"/]+)"', inbox.text))
            read = await ref.get(report)
            for text in ("Small bleeding.", "Seen with the ward.", "Dr Ann", "Dr Ben", "overlooked", "Corrected"):
                assert text in read.text, text
            assert (await ref.get(f"{report}/pdf")).content.startswith(b"%PDF-")
            assert report in (await pat.get(RESULTS)).text
            assert "Small bleeding." in (await pat.get(report)).text
            assert (await pat.get(LIST)).status_code == 403
            for address in (report, f"{report}/pdf"):
                assert (await other.get(address)).status_code == 404
            with room.system() as system:
                held = system.get(f"/fhir/DiagnosticReport/{report.rpartition('/')[2]}").json()
                answer = system.put(f"/fhir/DiagnosticReport/{held['id']}", json=held | {"status": "entered-in-error"})
                assert answer.is_success, answer.text
            room.settle()
            for person in (ref, pat):
                listed = await person.get(RESULTS)
                assert "Withdrawn:" in listed.text
                assert report not in listed.text
                assert (await person.get(report)).status_code == 410

    asyncio.run(story())
