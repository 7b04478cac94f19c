"""The parts of a multipart answer."""

from __future__ import annotations

import httpx


def parts(answer: httpx.Response) -> list[tuple[str, bytes]]:
    """Content-Type and content of each part of a successful answer."""
    assert answer.status_code == 200, answer.text[:500]
    kind = answer.headers["content-type"]
    assert kind.startswith("multipart/related"), kind
    boundary = kind.split("boundary=")[1].split(";", maxsplit=1)[0].strip('"').encode()
    body = b"\r\n" + answer.content
    pieces = body.split(b"\r\n--" + boundary)
    assert pieces[-1].strip() == b"--"
    found = []
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        headers = dict(line.split(b": ", 1) for line in head.strip().split(b"\r\n"))
        found.append((headers[b"Content-Type"].decode(), content))
    return found
