"""A page as the JSON of a Bundle, joined from stored bytes: resources are parsed again only to cut parts out of them.

Spec: FHIR R4, hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

from collections.abc import Iterator

from healix_fhir.interaction.result import Entry, Page, Response
from healix_fhir.kernel.clock import instant
from healix_fhir.model.json import encode
from healix_fhir.model.subset import Subset


def encode_page(page: Page, base: str, path: str) -> bytes:
    """The Bundle of `page`, which answered a request to `path` below `base`."""
    parts = [b'{"resourceType":"Bundle","type":', encode(page.kind)]
    if page.total is not None:
        parts += [b',"total":', encode(page.total)]
    if page.links:
        links = [{"relation": name, "url": _address(base, path, query)} for name, query in page.links.items()]
        parts += [b',"link":', encode(links)]
    if page.entries:
        parts += [b',"entry":[', b",".join(b"".join(_entry(entry, page.subset)) for entry in page.entries), b"]"]
    return b"".join([*parts, b"}"])


def _address(base: str, path: str, query: str) -> str:
    address = f"{base}/{path}" if path else base
    return f"{address}?{query}" if query else address


def _entry(entry: Entry, subset: Subset | None) -> Iterator[bytes]:
    separator = b"{"
    if entry.full_url is not None:
        yield separator + b'"fullUrl":' + encode(entry.full_url)
        separator = b","
    if entry.body is not None:
        body = entry.body
        if subset is not None and entry.mode != "outcome":
            body = subset.apply(body, included=entry.mode == "include")
        yield separator + b'"resource":' + body
        separator = b","
    if entry.mode is not None:
        yield separator + b'"search":{"mode":' + encode(entry.mode) + b"}"
        separator = b","
    if entry.request is not None:
        method, url = entry.request
        yield separator + b'"request":' + encode({"method": method, "url": url})
        separator = b","
    if entry.response is not None:
        yield separator + b'"response":' + _response(entry.response)
        separator = b","
    yield b"}" if separator == b"," else b"{}"


def _response(response: Response) -> bytes:
    shown = {"status": response.status}
    if response.location is not None:
        shown["location"] = response.location
    if response.etag is not None:
        shown["etag"] = response.etag
    if response.last_modified is not None:
        shown["lastModified"] = instant(response.last_modified)
    head = encode(shown)
    return head if response.outcome is None else head[:-1] + b',"outcome":' + response.outcome + b"}"
