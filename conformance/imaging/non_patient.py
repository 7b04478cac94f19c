"""Non-patient instances: stored, found and retrieved at the address of their kind, and at no other.

Spec: PS3.18 12 (2024d)
"""

from __future__ import annotations

from functools import cache

from conformance.check import Check, expect
from conformance.imaging.image import Image, file_of, new_uid, text
from conformance.imaging.storing import REFERENCED, items, store
from conformance.target import Target

PALETTES, PROTOCOLS = "/dicomweb/color-palettes", "/dicomweb/hanging-protocols"
COLOR_PALETTE = "1.2.840.10008.5.1.4.39.1"
SOP_INSTANCE = "00080018"
LABEL = "CONFORMANCE"


def palette(instance: str) -> bytes:
    """The file of a colour palette, as far as it is searched by."""
    data_set = (
        text(0x0008, 0x0016, "UI", COLOR_PALETTE)
        + text(0x0008, 0x0018, "UI", instance)
        + text(0x0070, 0x0080, "CS", LABEL)
        + text(0x0070, 0x0081, "LO", "")
        + text(0x0070, 0x0084, "PN", "Conformance^Healix")
    )
    return file_of(COLOR_PALETTE, instance, data_set)


@cache
def kept(target: Target) -> str:
    """A palette that the server has; stored by the first check that asks."""
    instance = new_uid()
    answer = store(target, [palette(instance)], PALETTES, "application/dicom+json")
    expect(answer.status == 200, f"answered {answer.status}")
    found = [one["00081155"]["Value"][0] for one in items(answer, REFERENCED)]
    expect(found == [instance], "it is not referenced")
    return instance


def stored(target: Target) -> None:
    """200, with what was stored; an image is none of them, and a palette no hanging protocol."""
    kept(target)
    for address, file in ((PALETTES, Image().file), (PROTOCOLS, palette(new_uid()))):
        answer = store(target, [file], address)
        expect(answer.status in (400, 409), f"what does not belong to {address} answered {answer.status}")


def retrieved(target: Target) -> None:
    """As DICOM JSON by default, as its file where asked for; 404 for another one."""
    instance = kept(target)
    answer = target.ask("GET", f"{PALETTES}/{instance}")
    expect(answer.status == 200, f"answered {answer.status}")
    expect(answer.headers["content-type"].startswith("application/dicom+json"), "not DICOM JSON")
    (found,) = answer.json() or [{}]
    expect(found.get(SOP_INSTANCE, {}).get("Value") == [instance], "another object")
    file = target.ask("GET", f"{PALETTES}/{instance}", headers={"Accept": "application/dicom"})
    expect(file.status == 200, f"its file answered {file.status}")
    expect(file.body[128:132] == b"DICM", "no DICOM file")
    expect(target.ask("GET", f"{PALETTES}/{new_uid()}").status == 404, "one that is not there was found")


def searched(target: Target) -> None:
    """By a key of its model with a wildcard, by its UID, and not among others."""
    instance = kept(target)
    for query in (f"ContentLabel=CONF*&SOPInstanceUID={instance}", f"SOPInstanceUID={instance}"):
        answer = target.ask("GET", f"{PALETTES}?{query}")
        expect(answer.status == 200, f"{query} answered {answer.status}")
        expect(
            [one[SOP_INSTANCE]["Value"][0] for one in answer.json() or []] == [instance], f"{query} does not find it"
        )
    for address in (
        f"{PALETTES}?ContentLabel=NONE&SOPInstanceUID={instance}",
        f"{PROTOCOLS}?SOPInstanceUID={instance}",
    ):
        expect((target.ask("GET", address).json() or []) == [], f"{address} finds it")


CHECKS = (
    Check("PS3.18 12.5", "palettes are stored at their address, and nothing else is", stored),
    Check("PS3.18 12.4", "palettes are retrieved as attributes and as files", retrieved),
    Check("PS3.18 12.6", "palettes are found by the keys of their model", searched),
)
