"""Answers of several parts, read by hand."""

from __future__ import annotations

from typing import NamedTuple

import httpx


class Part(NamedTuple):
    """One part: its Content-Type, its Content-Location (empty without) and its content."""

    kind: str
    location: str
    content: bytes


def parts(answer: httpx.Response) -> list[Part]:
    """The parts of a multipart answer."""
    assert answer.status_code in (200, 206), answer.text
    assert answer.headers["content-type"].startswith("multipart/related"), answer.headers["content-type"]
    boundary = answer.headers["content-type"].rpartition("boundary=")[2].strip('"').encode()
    found = []
    first, *others = (b"\r\n" + answer.content).split(b"\r\n--" + boundary)
    assert (first, others[-1]) == (b"", b"--\r\n")
    for other in others[:-1]:
        head, _, content = other.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        found.append(Part(headers["Content-Type"], headers.get("Content-Location", ""), content))
    return found
