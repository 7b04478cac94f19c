"""Sends one notification over HTTP: to the checked address, within a deadline, without following redirects."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass

from healix_fhir.kernel.endpoint import Endpoint, check_endpoint, resolve
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.pinned import DEADLINE, pinned


@dataclass(frozen=True, slots=True)
class Notice:
    """One request: `suffix` goes behind the endpoint's path; without a body it is empty."""

    endpoint: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    method: str = "POST"
    suffix: str = ""
    seconds: float = DEADLINE


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a notification was not taken, without details of this server's network; `final`: trying again is useless."""

    reason: str
    final: bool = False


def send(notice: Notice, *, allow_private: bool) -> Failure | None:
    """None when the receiver took it (2xx), else why not."""
    try:
        endpoint = check_endpoint(notice.endpoint, allow_private=allow_private)
        address = resolve(endpoint.host, endpoint.port, allow_private=allow_private)
        status = _request(endpoint, address, notice)
    except HealixError as error:
        return Failure(error.message, final=True)
    except ssl.SSLCertVerificationError:
        return Failure("the endpoint's certificate is not valid")
    except TimeoutError:
        return Failure("the endpoint did not answer in time")
    except (OSError, http.client.HTTPException, ValueError):
        return Failure("the endpoint cannot be reached")
    return None if 200 <= status < 300 else Failure(f"the endpoint answered with the status {status}")


def _request(endpoint: Endpoint, address: str, notice: Notice) -> int:
    with pinned(endpoint, address, deadline=notice.seconds) as connection:
        headers = {"User-Agent": "Healix", "Connection": "close", **dict(notice.headers)}
        if notice.body is not None:
            headers["Content-Type"] = "application/fhir+json"
        path = f"{endpoint.path}{notice.suffix}" or "/"
        query = f"?{endpoint.query}" if endpoint.query else ""
        connection.sock.settimeout(notice.seconds)  # a receiver may think for as long as it has asked for
        connection.request(notice.method, path + query, body=notice.body or b"", headers=headers)
        return connection.getresponse().status
