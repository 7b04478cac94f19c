"""Numbers of a request are bounded however they are written: zeros before them make them no smaller."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from dicomweb.api.look import look
from dicomweb.index.attributes import Level
from dicomweb.non_patient import search as non_patient
from dicomweb.non_patient.models import MODELS
from dicomweb.study import parameters
from dicomweb.workitem import search as workitem
from healix_fhir.kernel.errors import Category, HealixError

Parse = Callable[[Sequence[tuple[str, str]]], object]
PARSERS: dict[str, tuple[str, Parse]] = {
    "studies": ("offset", lambda params: parameters.parse(Level.STUDY, params)),
    "workitems": ("offset", workitem.parse),
    "no patient": ("offset", lambda params: non_patient.parse(MODELS, params)),
    "pictures": ("quality", look),
}


@pytest.mark.parametrize("value", ["000000000001" + "9" * 19, "0" * 5000 + "1", "9" * 5000, "-1", "\u0661", ""])
@pytest.mark.parametrize("where", PARSERS)
def test_what_is_too_large_is_refused(where: str, value: str) -> None:
    """As what is no number is, with the name of the parameter."""
    name, parse = PARSERS[where]
    with pytest.raises(HealixError, match=name) as refused:
        parse([(name, value)])
    assert refused.value.category is Category.INVALID


@pytest.mark.parametrize("where", PARSERS)
def test_usual_ones_are_taken(where: str) -> None:
    """Also with a zero before them."""
    name, parse = PARSERS[where]
    parse([(name, "050")])


def test_a_quality_is_read_to_its_end() -> None:
    """A number that begins like one of those that may be is none of them."""
    with pytest.raises(HealixError, match="quality"):
        look([("quality", "0001999")])
