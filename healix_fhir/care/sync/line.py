"""A line to an upstream: requests over one connection, through the guard against internal addresses.

TLS verifies the name, redirects are not followed, and each line ends after its deadline. What goes wrong is told in
words for the operator, with how long to leave the upstream alone.
"""

from __future__ import annotations

import http.client
import random
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from healix_fhir.kernel.endpoint import check_endpoint, resolve
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.pinned import pinned

DEADLINE = 180.0
"""Seconds that a line may last."""
ANSWER = 60.0
"""Seconds that the upstream may take for any piece of an answer."""
LONGEST_ANSWER = 64 << 20
SOON = (0.2, 0.4)
"""Seconds until an upstream that cannot be reached is called again: to knock costs nothing, and who is back gets all at
once.
"""
LATER = (3.0, 6.0)
"""The same where nobody answers, and each call takes its time."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds, doubled each time, after an answer that refuses everything; each somewhere between half and all of it."""
LONGEST_ASKED = 3600.0
"""Seconds that an upstream may ask for with Retry-After."""


class AwayError(Exception):
    """The upstream takes nothing now; `pause`: seconds until it is called again, None for one that grows."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Answer:
    """What the upstream said; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Line:
    """An open connection to the server of `base`."""

    connection: http.client.HTTPConnection
    path: str
    authorization: str | None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        own: frozenset[int] = frozenset(),
    ) -> Answer:
        """One request below the base. Raises AwayError where there is no answer, or one that is for all requests.

        Of the statuses `own` the caller knows better.
        """
        sent = {"User-Agent": "Healix", "Accept": "application/fhir+json", **(headers or {})}
        if self.authorization is not None:
            sent["Authorization"] = self.authorization
        with _told():
            self.connection.request(method, f"{self.path}{path}", body=body, headers=sent)
            answer = self.connection.getresponse()
            heard = answer.read(LONGEST_ANSWER)
        found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, heard)
        if found.status not in own:
            refuse(found)
        return found


@contextmanager
def opened(base: str, *, allow_private: bool, authorization: str | None) -> Iterator[Line]:
    """A line to `base`. Raises AwayError."""
    with _told():
        endpoint = check_endpoint(base, allow_private=allow_private)
        address = resolve(endpoint.host, endpoint.port, allow_private=allow_private)
        with pinned(endpoint, address, deadline=DEADLINE) as connection:
            connection.sock.settimeout(ANSWER)
            yield Line(connection, endpoint.path, authorization)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except HealixError as error:  # the guard does not let it go there
        raise AwayError(error.message) from error
    except ssl.SSLCertVerificationError as error:
        raise AwayError("its certificate is not valid") from error
    except TimeoutError as error:
        raise AwayError("it does not answer", random.uniform(*LATER)) from error  # noqa: S311 - no secret
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise AwayError("it cannot be reached", random.uniform(*SOON)) from error  # noqa: S311 - no secret


def refuse(answer: Answer) -> None:
    """Raise AwayError for an answer that says nothing of the request, but of the upstream."""
    if answer.status in (401, 403):
        raise AwayError(f"it does not take this site's credentials (status {answer.status})")
    if answer.status == 429 or answer.status >= 500:
        said = "it has too much to do" if answer.status == 429 else "it has a failure"
        raise AwayError(f"{said} (status {answer.status})", asked_pause(answer.headers.get("retry-after")))
    if answer.status < 200 or 300 <= answer.status < 400:
        raise AwayError(f"there is no such server at that address (status {answer.status})")


def asked_pause(value: str | None) -> float | None:
    """Seconds of a Retry-After header. Spec: RFC 9110 10.2.3"""
    if value is None:
        return None
    try:
        seconds = (
            float(value) if value.isdigit() else (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_ASKED)


def pause_of(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    whole = min(FIRST_PAUSE * 2.0 ** min(failures, 16), LONGEST_PAUSE)
    return random.uniform(whole / 2, whole)  # noqa: S311 - no secret


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
