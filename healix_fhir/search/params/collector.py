"""Where the index rows of one resource are gathered, by the emitters of all its parameters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from healix_fhir.search import tokens
from healix_fhir.search.strings import fold
from healix_fhir.store.index import AmountRow, CodeRow


class Collector:
    """The rows found so far. Twice the same row is kept until the end, where one is dropped."""

    __slots__ = (
        "amounts",
        "bases",
        "coded",
        "dates",
        "hot",
        "main",
        "patients",
        "positions",
        "present",
        "references",
        "strings",
        "texts",
        "toks",
    )

    def __init__(self, bases: tuple[str, ...]) -> None:
        self.bases = bases
        self.toks: list[int] = []
        self.hot: list[tuple[int, int | None]] = []
        self.strings: list[tuple[int, str, str, str]] = []
        self.dates: list[tuple[int, datetime | None, datetime | None]] = []
        self.references: list[tuple[int, int | None, str]] = []
        self.amounts: list[AmountRow] = []
        self.texts: list[tuple[int, str, int]] = []
        self.coded: list[CodeRow] = []
        self.positions: list[tuple[int, float, float]] = []
        self.patients: list[tuple[int, str]] = []  # with the rank of the parameter
        self.present = 0
        self.main: tuple[datetime | None, datetime | None] | None = None

    def text(self, param_id: int, text: str) -> None:
        """Add a text that stands beside a code: its hash to the tokens, and itself to what is known of texts."""
        folded = fold(text)
        if folded:
            h = tokens.text(param_id, folded)
            self.toks.append(h)
            self.texts.append((param_id, folded, h))

    def codes(self, found: Collector) -> None:
        """Add what was found of codes, which have tokens, themselves and texts only."""
        self.toks += found.toks
        self.hot += found.hot
        self.texts += found.texts
        self.coded += found.coded
        self.present |= found.present


Emit: TypeAlias = Callable[[list[Any], Collector], None]
"""Adds the rows of some values of one FHIR type to the collector."""
