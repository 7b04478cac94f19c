"""The addresses of jobs and files, and links that open a file by themselves.

A signed link is good until the job's files expire. Its signature is over job, file and that moment.

Spec: HL7 Bulk Data Access 2.0.0 export.html (requiresAccessToken); RFC 2104
"""

from __future__ import annotations

import hmac
from datetime import datetime

from healix_fhir.bulk.job import Job

KEY = "bulk link"
"""The name of the server's key for signatures."""
PATH = "/bulk"


class Links:
    """Addresses on a server at `root`; with a `key` links are signed."""

    def __init__(self, root: str, key: bytes | None = None) -> None:
        self._root = root
        self._key = key

    @property
    def signed(self) -> bool:
        """Whether files need no token."""
        return self._key is not None

    def status(self, id_: str) -> str:
        """Where a client asks for its job."""
        return f"{self._root}{PATH}/{id_}"

    def resource(self, address: str) -> str:
        """Where a resource (`Type/id`) is."""
        return f"{self._root}/fhir/{address}"

    def file(self, job: Job, name: str) -> str:
        """Where a file of a completed job is."""
        address = f"{self._root}{PATH}/{job.id}/{name}"
        if self._key is None or job.expires is None:
            return address
        return f"{address}?signature={self._signature(self._key, job.id, name, job.expires)}"

    def is_signed(self, job: Job, name: str, signature: str) -> bool:
        """Whether a signature is that of the file."""
        if self._key is None or job.expires is None:
            return False
        wanted = self._signature(self._key, job.id, name, job.expires)
        return hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "surrogateescape"))

    @staticmethod
    def _signature(key: bytes, id_: str, name: str, expires: datetime) -> str:
        text = f"{id_}/{name}/{expires.timestamp():.6f}"
        return hmac.digest(key, text.encode(), "sha256").hex()
