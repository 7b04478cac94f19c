"""Methods and classes of logins."""

from __future__ import annotations

import pytest

from smart_auth.oauth.factors.methods import ONE_FACTOR, TWO_FACTORS, acr, wants_two


@pytest.mark.spec("OpenID Connect Core 1.0 2")
@pytest.mark.parametrize(
    ("methods", "level"),
    [
        (("pwd",), ONE_FACTOR),
        (("pwd", "otp", "mfa"), TWO_FACTORS),
        (("pwd", "mfa"), TWO_FACTORS),
        (("hwk", "mfa"), TWO_FACTORS),
        ((), ONE_FACTOR),
    ],
)
def test_class_of_a_login(methods: tuple[str, ...], level: str) -> None:
    """More than one factor is the stronger class."""
    assert acr(methods) == level


@pytest.mark.spec("OpenID Connect Core 1.0 3.1.2.1")
@pytest.mark.parametrize(
    ("asked", "two"),
    [((), False), ((TWO_FACTORS,), True), ((ONE_FACTOR, TWO_FACTORS), False), (("urn:other",), False)],
)
def test_what_an_app_asks_for(asked: tuple[str, ...], two: bool) -> None:
    """Two factors are demanded when nothing weaker will do; classes that are unknown demand nothing."""
    assert wants_two(asked) is two
