"""A patient's devices: which there are, what each measured last, a code to pair one, and its end.

Patients see their own and those of whom they act for; clinicians those of a patient whom they see.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.model.json import decode_stored, encode
from healix_fhir.operation.measurement.measured import Measured, measured
from healix_fhir.operation.pairing import pair, part
from healix_fhir.pages.form import check_csrf, read_form
from healix_fhir.pages.people import resources
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from healix_fhir.pages.whose import LOGIN, Whose, whose
from smart_auth.access import AccessContext
from smart_auth.oauth.limits import PAIRING_ASKED
from smart_auth.oauth.pairing import LIFE, paired
from smart_auth.scope import parse

ADDRESS = "/account/devices"
SCOPE = "user/Device.crus user/Observation.rs"
MOST = 20
"""Devices of one patient that are shown."""
LONGEST = 80


class Shown(msgspec.Struct, frozen=True):
    """A device in the list. `since`: when it got its access, where it has it."""

    id: str
    name: str
    model: str
    active: bool
    since: str | None
    last: Measured | None


async def show(site: Site, request: Request) -> Response:
    """GET /account/devices, with `patient` where it is not one's own record."""
    asked = await whose(site, request, request.query_params.get("patient"))
    return RedirectResponse(LOGIN, 303) if asked is None else await _page(site, asked)


async def submit(site: Site, request: Request) -> Response:
    """POST /account/devices with `patient` and: `name` of a new device; or `device` to be paired; or `unpair`."""
    fields = await read_form(request)
    asked = await whose(site, request, fields.get("patient"))
    if asked is None:
        return RedirectResponse(LOGIN, 303)
    check_csrf(request, site.session_cookie, fields)
    access = _widened(asked.access)
    if "unpair" in fields:
        await part(site.interactions, access, fields["unpair"])
        return RedirectResponse(f"{ADDRESS}?{urlencode({'patient': asked.patient.id})}", 303)
    who = origin(request, asked.session)
    await site.throttle.hit(PAIRING_ASKED, account=asked.session.account.username, address=who.address)
    device = fields.get("device") or await _added(site, access, asked.patient.id, fields.get("name", ""))
    code = await pair(site.interactions, access, device)
    return await _page(site, asked, device=device, code=code.text, minutes=LIFE // 60)


async def _added(site: Site, access: AccessContext, patient: str, name: str) -> str:
    """Store a new Device; its id."""
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST:
        raise invalid(f"Give the device a name of at most {LONGEST} characters.")
    device = {
        "resourceType": "Device",
        "status": "active",
        "deviceName": [{"name": name, "type": "user-friendly-name"}],
        "patient": {"reference": f"Patient/{patient}"},
    }
    written = await site.interactions.create(access, "Device", encode(device))
    return written.stored.id


async def _page(site: Site, asked: Whose, **further: Any) -> Response:
    access = _widened(asked.access)
    patient = f"Patient/{asked.patient.id}"
    params = [("patient", patient), ("_sort", "-_lastUpdated"), ("_count", str(MOST))]
    found = list(resources(await site.interactions.search(access, "Device", params)))
    since = await atransaction(site.pool, lambda: paired([one["id"] for one in found])) if found else {}
    last = {one["id"]: await _last(site, access, patient, one["id"]) for one in found}  # of at most `MOST` devices
    shown = [
        Shown(
            one["id"],
            name_of(one),
            " ".join(filter(None, (one.get("manufacturer"), one.get("modelNumber")))),
            one.get("status", "active") == "active",
            f"{since[one['id']]:%Y-%m-%d}" if one["id"] in since else None,
            last[one["id"]],
        )
        for one in found
    ]
    return page("devices.html", **asked.common, devices=shown, **({"code": None} | further))


async def _last(site: Site, access: AccessContext, patient: str, device: str) -> Measured | None:
    """What a device measured last."""
    params = [("patient", patient), ("device", f"Device/{device}"), ("_sort", "-date"), ("_count", "1")]
    found = await site.interactions.search(access, "Observation", params)
    bodies = (entry.body for entry in found.entries if entry.mode == "match" and entry.body is not None)
    return next((one for body in bodies if (one := measured(decode_stored(body))) is not None), None)


def name_of(device: dict[str, Any]) -> str:
    """What people call a device: by the name that they gave it, else by what its maker calls it."""
    names = sorted(device.get("deviceName", ()), key=lambda one: one.get("type") != "user-friendly-name")
    given = next((one["name"] for one in names if one.get("name")), None)
    return str(given or device.get("modelNumber") or device.get("type", {}).get("text") or say("Device without a name"))


def _widened(access: AccessContext) -> AccessContext:
    return msgspec.structs.replace(access, scopes=access.scopes | parse(SCOPE))
