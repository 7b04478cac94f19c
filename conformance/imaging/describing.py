"""The capabilities document: every service is in it, and what it names is there. Spec: PS3.18 8.9, Annex H (2024d)"""

from __future__ import annotations

import re
from typing import Any

from conformance.check import Check, expect
from conformance.imaging.storing import stored
from conformance.target import Target

WADL = "application/vnd.sun.wadl+xml"


def described(target: Target) -> None:
    """OPTIONS of the base is WADL with one `resources` at the base, for everyone."""
    answer = target.ask("OPTIONS", "/dicomweb", headers={"Accept": WADL}, token=False)
    expect(answer.status == 200, f"answered {answer.status}")
    expect(answer.headers["content-type"] == WADL, "not WADL")
    text = answer.body.decode()
    expect(len(re.findall(r"<application\b", text)) == len(re.findall(r"<resources\b", text)) == 1, "not one of each")
    for name in ("SearchForStudies", "StoreInstances", "RetrieveStudy", "RetrieveFrames", "RetrieveRenderedInstance"):
        expect(f'id="{name}"' in text, f"{name} is missing")


def true(target: Target) -> None:
    """Each address that is read works for an image of one frame."""
    one = stored(target)
    root = (target.ask("OPTIONS", "/dicomweb", headers={"Accept": "application/json"}).json() or {})["application"]
    names: dict[str, Any] = {"study": one.study, "series": one.series, "instance": one.instance, "frames": "1"}
    for resource in root["resources"][0]["resource"]:
        path = resource["path"]
        if any(method["name"] == "GET" for method in resource["method"]) and set(re.findall(r"{(\w+)}", path)) <= set(
            names
        ):
            answer = target.ask("GET", f"/dicomweb/{path.format(**names)}")
            expect(answer.status in (200, 206, 400, 406), f"{path} answered {answer.status}")


CHECKS = (
    Check("PS3.18 8.9", "the base describes its services as WADL", described),
    Check("PS3.18 Annex H", "what is described is there", true),
)
