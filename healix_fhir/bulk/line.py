"""A stored resource as a line of NDJSON.

Stored JSON is written without white space, so that it is a line as it is. Attachments that lie on this server get
their whole address: whoever reads the file knows no base. Within JSON strings quotes are escaped, so that the bytes
looked for stand nowhere but where an element `url` begins.

Spec: HL7 Bulk Data Access 2.0.0 export.html#attachments
"""

from __future__ import annotations

from healix_fhir.model.subset import Subset

RELATIVE = b'"url":"Binary/'


class Lines:
    """Lines for a reader that knows no base URL, of `subset` of each resource (None: all of it)."""

    def __init__(self, base: str, subset: Subset | None) -> None:
        self._absolute = f'"url":"{base}/Binary/'.encode()
        self._subset = subset

    def line(self, body: bytes) -> bytes:
        """The line of a stored resource, without its end."""
        if self._subset is not None:
            body = self._subset.apply(body)
        return body.replace(RELATIVE, self._absolute) if RELATIVE in body else body
