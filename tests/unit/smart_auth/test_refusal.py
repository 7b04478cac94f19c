"""Refusals in the words of OAuth."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.oauth.pkce import is_challenge, proves
from smart_auth.oauth.refusal import ANSWER, OAuthError, Reason, answer

STATUSES = {
    "invalid_client": 401, "invalid_token": 401, "access_denied": 403, "insufficient_scope": 403, "server_error": 500,
    "temporarily_unavailable": 503,
}  # fmt: skip


def test_every_category_has_an_answer() -> None:
    """The table is total."""
    assert set(ANSWER) == set(Category)


@pytest.mark.spec("RFC 6749 5.2")
@pytest.mark.parametrize("reason", list(Reason))
def test_statuses(reason: Reason) -> None:
    """Each reason has its status: 400, but for those that the RFCs give another."""
    status, body = answer(OAuthError(reason, "why"))
    assert (status, body) == (STATUSES.get(reason.value, 400), {"error": reason.value, "error_description": "why"})


def test_descriptions_hold_what_they_may() -> None:
    """An error_description has no quotation marks, backslashes or letters beyond ASCII."""
    _, body = answer(HealixError(Category.INVALID, 'say "a\\b" … ü\n'))
    assert body["error_description"] == "say 'a'b' ' ''"


def test_details_stay_inside() -> None:
    """What the log may know, an answer does not."""
    error = HealixError(Category.FAULT, "failed", detail="SELECT secret")
    assert answer(error) == (500, {"error": "server_error", "error_description": "failed"})


@pytest.mark.spec("RFC 7636 appendix-B")
def test_pkce() -> None:
    """The example of the RFC, and what is no proof of it."""
    verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert is_challenge(challenge)
    assert proves(verifier, challenge)
    assert not any(proves(bad, challenge) for bad in ("", challenge, verifier[:-1], verifier + " ", "x" * 129))
    assert not proves(challenge, challenge)
    assert not any(map(is_challenge, ("", verifier[:-1], challenge + "=", "x" * 44)))
