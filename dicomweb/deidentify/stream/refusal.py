"""What is said of an object that cannot be de-identified."""

from __future__ import annotations

from healix_fhir.kernel.errors import Category, HealixError


def refused(reason: str) -> HealixError:
    """An object that cannot be de-identified, and why; the reason has nothing of it."""
    return HealixError(Category.UNPROCESSABLE, reason)


def unseen() -> HealixError:
    """A compressed frame or video whose parts cannot be told apart, so that nobody knows what they say."""
    return refused("a compressed frame cannot be looked through")


def emptied(made: bytearray, start: int, end: int) -> None:
    """Zeros in the place of what was said, so that all lengths and offsets stay."""
    made[start:end] = bytes(end - start)
