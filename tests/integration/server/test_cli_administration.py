"""Administration from the command line, beside a running server."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.server.test_cli import command
from tests.support.serve import Served, healix


def test_clients(served: Served) -> None:
    """Apps are listed, shown, changed, given another secret, closed, opened and removed, at once on the server."""
    made = command(
        served, "client", "create", "--name", "Seen by CLI", "--scope", "openid patient/*.rs", "--auth",
        "client_secret_post", "--redirect-uri", "https://app.example/cb",
    )  # fmt: skip
    id_ = str(made["client_id"])
    (line,) = command(served, "client", "list", "--search", "seen by")["clients"]
    assert (line["client_id"], line["client_name"], line["disabled"]) == (id_, "Seen by CLI", False)
    changed = ("--name", "Changed", "--scope", "patient/Patient.rs", "--redirect-uri", "https://app.example/new")
    command(served, "client", "change", id_, *changed)
    shown = command(served, "client", "show", id_)
    assert (shown["client_name"], shown["scope"], shown["redirect_uris"], shown["grants"]) == (
        "Changed", "patient/Patient.rs", ["https://app.example/new"], ["authorization_code", "refresh_token"],
    )  # fmt: skip
    secret = str(command(served, "client", "rotate-secret", id_)["client_secret"])
    assert asked(served, id_, str(made["client_secret"])) == 401
    assert asked(served, id_, secret) == 200
    assert command(served, "client", "disable", id_) == {"client_id": id_, "disabled": True}
    assert asked(served, id_, secret) == 401
    assert command(served, "client", "enable", id_)["disabled"] is False
    assert asked(served, id_, secret) == 200
    assert command(served, "client", "delete", id_)["deleted"] is True
    refused = healix(served.data_dir, "client", "show", id_)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.endswith(f"There is no app '{id_}'.\n")


def asked(server: Served, id_: str, secret: str) -> int:
    """How an introspection by the app is answered."""
    form = {"token": "t", "client_id": id_, "client_secret": secret}
    return httpx.post(f"{server.url}/oauth/introspect", data=form).status_code


def test_users(served: Served) -> None:
    """Accounts are listed, shown, closed, opened, changed, let in, and given a link to choose a password."""
    made = ("--role", "practitioner", "--fhir-user", "Practitioner/grace", "--mail", "Grace@example.org")
    command(served, "user", "create", "grace", *made, "--password-stdin", stdin="four words without link\n")
    (line,) = command(served, "user", "list", "--search", "grace@", "--role", "practitioner")["users"]
    assert (line["username"], line["fhir_user"], line["mail"]) == ("grace", "Practitioner/grace", "grace@example.org")
    assert command(served, "user", "disable", "Grace") == {"username": "grace", "disabled": True}
    assert command(served, "user", "show", "grace")["disabled"] is True
    refused = healix(served.data_dir, "user", "reset-password", "grace")
    assert refused.stderr == "healix: This account is closed. Open it first.\n"
    assert command(served, "user", "enable", "grace")["disabled"] is False
    changed = command(served, "user", "change", "grace", "--role", "admin")
    assert changed == {"username": "grace", "role": "admin", "fhir_user": None}
    assert command(served, "user", "unlock", "grace") == {"username": "grace", "was_held": False}
    link = str(command(served, "user", "reset-password", "grace")["link"])
    assert httpx.get(link.replace("http://127.0.0.1:8080", served.url)).status_code == 200
    assert command(served, "user", "reset-password", "grace", "--mail")["mail"] == "grace@example.org"
    set_ = command(served, "user", "reset-password", "grace", "--password-stdin", stdin="other words without link\n")
    assert set_ == {"username": "grace", "password": "set"}
    unknown = healix(served.data_dir, "user", "show", "nobody")
    assert (unknown.returncode, unknown.stdout) == (1, "")


def test_a_check_that_is_not_due_says_so(served: Served) -> None:
    """Whoever asks for a check a short time after the last is told that nothing was read, and how to have it all the
    same.
    """
    assert "Nothing was read" not in healix(served.data_dir, "study", "check", "--now").stderr
    again = healix(served.data_dir, "study", "check")
    assert again.returncode == 0
    assert "Nothing was read" in again.stderr
    assert "--now" in again.stderr


@pytest.mark.parametrize("rule", [("route", "add", "early"), ("prefetch", "add", "early", "--modality", "CT")])
def test_a_rule_that_names_an_unknown_peer_says_so(served: Served, rule: tuple[str, ...]) -> None:
    """A rule may come before its peer, and whoever mistyped its AE title is told at once."""
    asked = (*rule, "--peer", "NEWCOMER")
    assert "No peer NEWCOMER is known yet" in healix(served.data_dir, *asked).stderr
    command(served, "peer", "add", "NEWCOMER", "--host", "127.0.0.1", "--port", "4242")
    assert "NEWCOMER" not in healix(served.data_dir, *asked).stderr
    command(served, "peer", "remove", "NEWCOMER")
    command(served, rule[0], "remove", "early")
