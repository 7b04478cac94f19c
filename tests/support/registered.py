"""Apps registered with a running server by the operator's command, and people who let them in through the pages."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from conformance.smart.asking import ALLOW, ask
from conformance.smart.browser import Browser
from conformance.smart.parties import Person
from conformance.target import Target
from tests.support.serve import Served, healix

BACK = "https://app.example/callback"


def registered(
    served: Served, auth: str, scope: str, *, jwks: Path | None = None, redirect: str = BACK
) -> tuple[str, str | None]:
    """The client_id and secret of a new app."""
    words = ["client", "create", "--name", "App", "--auth", auth, "--scope", scope]
    words += ["--jwks-file", str(jwks)] if jwks is not None else ["--redirect-uri", redirect]
    done = healix(served.data_dir, *words)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["client_id"], answer["client_secret"]


def let_in(served: Served, username: str, address: str) -> str:
    """Where a browser comes back to, when the person signs in at `address` and allows what is asked there."""
    parts = urlsplit(address)
    password = json.loads((served.data_dir / "demo.json").read_text())["password"]
    endpoint = parts._replace(query="").geturl()
    page, _ = ask(
        endpoint, Browser(Target(served.url, None)), Person(username, password), dict(parse_qsl(parts.query)), ALLOW
    )
    assert page.left is not None, page.body
    return page.left
