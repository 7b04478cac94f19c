"""Parameters that match by sound: the codes of every word.

Spec: FHIR R4, hl7.org/fhir/R4/patient.html#search
"""

from __future__ import annotations

from typing import Any

from healix_fhir.search import tokens
from healix_fhir.search.params import string
from healix_fhir.search.params.collector import Collector, Emit
from healix_fhir.search.sounds import sounds


def emitter(param_id: int, fhir_type: str) -> Emit | None:
    """What adds the sounds of values of `fhir_type`; None for a type without strings."""
    strings = string.emitter(param_id, fhir_type)
    if strings is None:
        return None

    def emit(items: list[Any], rows: Collector) -> None:
        scratch = Collector(rows.bases)
        strings(items, scratch)
        for _, _, text, _ in scratch.strings:
            for codes in sounds(text):
                rows.toks += [tokens.sound(param_id, code) for code in codes]

    return emit
