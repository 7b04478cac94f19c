"""How a person has shown who they are: the methods of a login, and the class that they amount to.

Spec: RFC 8176 2 (values of `amr`); OpenID Connect Core 1.0 2 (`acr`)
"""

from __future__ import annotations

from collections.abc import Collection

PASSWORD = "pwd"  # noqa: S105 - the name of a method
ONE_TIME_CODE = "otp"
HARDWARE_KEY = "hwk"
SOFTWARE_KEY = "swk"
SEVERAL = "mfa"
"""More than one factor was shown. A recovery code has no value of its own; it is one of the several."""

ONE_FACTOR = "urn:healix:acr:one-factor"
TWO_FACTORS = "urn:healix:acr:two-factors"
CLASSES = (ONE_FACTOR, TWO_FACTORS)
"""The values of `acr`, the weaker first."""


def acr(methods: Collection[str]) -> str:
    """The class of a login by these methods."""
    return TWO_FACTORS if SEVERAL in methods else ONE_FACTOR


def wants_two(acr_values: Collection[str]) -> bool:
    """Whether an app that asks for these classes is content with two factors only.

    Classes that this server does not know are no demand: the id token's `acr` says what was done.
    Spec: OpenID Connect Core 1.0 3.1.2.1 (acr_values is a voluntary wish)
    """
    return TWO_FACTORS in acr_values and ONE_FACTOR not in acr_values
