"""Storing: what is answered, part by part. Spec: PS3.18 10.5 and Annex I (2024d)"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import cache
from typing import Any

from conformance.check import Check, expect
from conformance.imaging.image import Image, new_uid
from conformance.target import Answer, Target

REFERENCED, FAILED, URL, REASON = "00081199", "00081198", "00081190", "00081197"


def store(target: Target, parts: Sequence[bytes], path: str = "/dicomweb/studies", accept: str = "*/*") -> Answer:
    """Store these files by one request."""
    boundary = uuid.uuid4().hex
    body = b"".join(
        b"--%s\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % (boundary.encode(), part) for part in parts
    )
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return target.ask("POST", path, body + f"--{boundary}--\r\n".encode(), {"Content-Type": kind, "Accept": accept})


@cache
def stored(target: Target) -> Image:
    """An image that the server has; stored by the first check that asks."""
    image = Image()
    answer = store(target, [image.file])
    expect(answer.status == 200, f"storing answered {answer.status}")
    return image


def items(answer: Answer, tag: str) -> list[dict[str, Any]]:
    """The items of a sequence of the answer."""
    found: list[dict[str, Any]] = (answer.json() or {}).get(tag, {}).get("Value", [])
    return found


def all_stored(target: Target) -> None:
    """200 with Referenced SOP Sequence, each with its Retrieve URL, where the instance is."""
    first = Image()
    second = Image(first.study, first.series)
    answer = store(target, [first.file, second.file], accept="application/dicom+json")
    expect(answer.status == 200, f"answered {answer.status}")
    found = {one["00081155"]["Value"][0]: one[URL]["Value"][0] for one in items(answer, REFERENCED)}
    expect(found.keys() == {first.instance, second.instance}, "not both instances are referenced")
    expect(items(answer, FAILED) == [], "an instance is told to have failed")
    expect(found[first.instance].endswith(first.path), "Retrieve URL is not that of the instance")
    whole = (answer.json() or {}).get(URL, {}).get("Value", [""])[0]
    expect(whole.endswith(f"/studies/{first.study}"), "Retrieve URL is not that of the study")


def some_stored(target: Target) -> None:
    """202 with the one in Referenced SOP Sequence, and the other, with a reason, among the failed."""
    good, bad = Image(), Image()
    answer = store(target, [good.file, bad.file[:-40]], accept="application/dicom+json")
    expect(answer.status == 202, f"answered {answer.status}")
    expect([one["00081155"]["Value"][0] for one in items(answer, REFERENCED)] == [good.instance], "not the good one")
    (failed,) = items(answer, FAILED) or items(answer, "0008119A")
    expect(failed[REASON]["Value"][0] >= 0x0100, "no Failure Reason")
    expect(target.ask("GET", bad.path).status == 404, "the bad one is there")


def none_stored(target: Target) -> None:
    """409 where none could be stored."""
    answer = store(target, [Image().file[:-40]])
    expect(answer.status == 409, f"answered {answer.status}")


def of_another_study(target: Target) -> None:
    """At the address of a study, an instance of another one is refused."""
    image = Image()
    answer = store(target, [image.file], f"/dicomweb/studies/{new_uid()}", "application/dicom+json")
    expect(answer.status == 409, f"answered {answer.status}")
    expect(target.ask("GET", image.path).status == 404, "it is there all the same")


def again(target: Target) -> None:
    """The same instance again is success."""
    image = stored(target)
    answer = store(target, [image.file], accept="application/dicom+json")
    expect(answer.status in (200, 202), f"answered {answer.status}")
    expect([one["00081155"]["Value"][0] for one in items(answer, REFERENCED)] == [image.instance], "not referenced")


def in_xml(target: Target) -> None:
    """The response module as XML where it is asked for."""
    answer = store(target, [Image().file], accept="application/dicom+xml")
    expect(answer.headers["content-type"].startswith("application/dicom+xml"), "not DICOM XML")
    expect(b"ReferencedSOPSequence" in answer.body, "no Referenced SOP Sequence")


CHECKS = (
    Check("PS3.18 10.5.3", "all stored is 200 with references and URLs", all_stored),
    Check("PS3.18 10.5.3", "some stored is 202 with a reason for the rest", some_stored),
    Check("PS3.18 10.5.3", "none stored is 409", none_stored),
    Check("PS3.18 10.5.1", "an instance of another study is refused", of_another_study),
    Check("PS3.18 10.5.2", "the same again is success", again),
    Check("PS3.18 10.5.3.3", "the response is XML where asked", in_xml),
)
