"""One thing that FHIR R4 defines, and whether this server does it: what the code says when it is asked."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from healix_fhir.kernel.errors import Category, HealixError

REFUSALS = (Category.UNSUPPORTED, Category.NOT_ACCEPTABLE, Category.NOT_ALLOWED, Category.NOT_FOUND)


class Feature(msgspec.Struct, frozen=True):
    """A row: `request` is a method and an address below the base, `refusal` the answer to it, None where it works."""

    area: str
    name: str
    request: tuple[str, str]
    refusal: str | None = None

    @property
    def works(self) -> bool:
        """Whether the server does it."""
        return self.refusal is None


def ask(area: str, name: str, request: tuple[str, str], question: Callable[[], object]) -> Feature:
    """The row of a feature: `question` raises the refusal that a caller would get. What it asks must make sense."""
    try:
        question()
    except HealixError as error:
        if error.category not in REFUSALS:
            raise
        return Feature(area, name, request, error.message)
    return Feature(area, name, request)
