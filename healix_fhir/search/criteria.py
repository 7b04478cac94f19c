"""Search values to nodes, one function per parameter type.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from healix_fhir.kernel import clock
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.search import tokens
from healix_fhir.search.asked import Asked
from healix_fhir.search.criteria_amount import number, quantity
from healix_fhir.search.dates import interval
from healix_fhir.search.index_facts import (
    Pointing,
    frequency,
    has_codes,
    has_identifiers,
    is_patient_link,
    main_date,
    pointing,
)
from healix_fhir.search.nodes import (
    Coded,
    Date,
    Id,
    LastUpdated,
    Node,
    Or,
    Prefix,
    Reference,
    String,
    StringMatch,
    Token,
    TokenText,
    Versions,
)
from healix_fhir.search.params.reference import target
from healix_fhir.search.params.uri import places
from healix_fhir.search.strings import fold
from healix_fhir.search.values import split, unescape
from healix_fhir.terminology.sets import Codes, Either, Filter, Listed, Operator, Selected, Set

PATIENT = TYPE_ID["Patient"]
APPROXIMATELY = 0.1
"""`ap` widens the interval by this share of its distance from now. Spec: FHIR R4, hl7.org/fhir/R4/search.html#prefix"""


def token(asked: Asked, value: str) -> Node:
    """`code`, `system|code`, `|code` or `system|`; with :of-type, `system|code|value`; with :text a string.

    With :in and :not-in it is a value set; with :above and :below `system|code`, a concept in its code system.
    """
    param = asked.parameter.id
    if asked.modifier == "text":
        return _text(asked, value)
    if asked.modifier == "of-type":
        if not has_identifiers(asked.type_name, asked.parameter):
            raise asked.bad_value(value, "what this parameter can be asked for: it has no identifiers")
        parts = [unescape(part) for part in split(value, "|")]
        if len(parts) != 3 or not all(parts):
            raise asked.bad_value(value, "of the form system|code|value")
        return Token(tokens.of_type(param, *parts))
    if asked.modifier in MEMBERS:
        return _coded(asked, MEMBERS[asked.modifier](asked, value))
    if asked.modifier not in ("", "not"):
        raise asked.bad_modifier()
    parts = token_parts(asked, value)
    how_often = frequency(asked.parameter.code)
    if how_often is None or not parts[-1]:
        return Token(token_key(param, parts))
    return Token(
        token_key(param, parts),
        hot=True,
        h=tokens.any_system(param, parts[-1]),
        system=tokens.of_system(*parts) if len(parts) == 2 and parts[0] else None,
        any_system=len(parts) == 1,
        frequency=how_often,
    )


def _coded(asked: Asked, members: str | Set) -> Node:
    if not has_codes(asked.type_name, asked.parameter):
        raise asked.bad_modifier()
    how_often = frequency(asked.parameter.code)
    return Coded(asked.parameter.id, asked.name, members, hot=how_often is not None, frequency=how_often or 0)


def _value_set(_: Asked, value: str) -> str:
    return unescape(value)


def _related(asked: Asked, value: str) -> Set:
    """The concept itself, and those below or above it."""
    parts = token_parts(asked, value)
    if len(parts) != 2 or not all(parts):
        raise asked.bad_value(value, "of the form system|code")
    system, code = parts
    operator = Operator.IS_A if asked.modifier == "below" else Operator.GENERALIZES
    itself = Codes(system, None, (Listed(code),))
    return Either((itself, Selected(system, None, (Filter("concept", operator, code),))))


MEMBERS: Mapping[str, Callable[[Asked, str], str | Set]] = {
    "in": _value_set,
    "not-in": _value_set,
    "above": _related,
    "below": _related,
}
"""Modifiers that ask terminology which codes are meant. Spec: FHIR R4, hl7.org/fhir/R4/search.html#token"""


def _text(asked: Asked, value: str) -> Node:
    folded = fold(unescape(value))
    if not folded:
        raise asked.bad_value(value, "a text that can be searched for")
    return TokenText(asked.parameter.id, folded)


def token_parts(asked: Asked, value: str) -> list[str]:
    """The code, or system and code, either of which may be empty."""
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise asked.bad_value(value, "of the form code, system|code, |code or system|")
    return parts


def token_key(param: int, parts: list[str]) -> int:
    """The hash under which a token is looked for."""
    if len(parts) == 1:
        return tokens.any_system(param, parts[0])
    system, code = parts
    if not code:
        return tokens.system_only(param, system)
    return tokens.in_system(param, system, code) if system else tokens.no_system(param, code)


def uri(asked: Asked, value: str) -> Node:
    """The whole uri, literally; with :below also every URL below it, with :above also every one it lies below."""
    text = unescape(value)
    param = asked.parameter.id
    if not asked.modifier:
        return Token(tokens.uri(param, text))
    if asked.modifier not in ("above", "below"):
        raise asked.bad_modifier()
    found = places(text)
    if not found:
        raise asked.bad_value(value, "a URL: a URN lies above and below nothing")
    if asked.modifier == "below":
        return Token(tokens.below(param, found[-1]))
    return Or(tuple(Token(tokens.uri(param, place + slash)) for place in found for slash in ("", "/")))


def string(asked: Asked, value: str) -> Node:
    """Starts with the value, folded; :contains and :exact."""
    match = {"": StringMatch.PREFIX, "contains": StringMatch.CONTAINS, "exact": StringMatch.EXACT}.get(asked.modifier)
    if match is None:
        raise asked.bad_modifier()
    text = unescape(value)
    folded = fold(text)
    if not folded and match is not StringMatch.EXACT:
        raise asked.bad_value(value, "a string that can be searched for")
    return String(asked.parameter.id, match, folded, text)


def date(asked: Asked, value: str) -> Node:
    """A prefix and a date with the precision it is written with."""
    prefix, lo, hi = _period(asked, value)
    main = asked.parameter.code == main_date(asked.type_name)
    return Date(asked.parameter.id, prefix, lo, hi, main=main)


def last_updated(asked: Asked, value: str) -> Node:
    """Like a date, of meta.lastUpdated."""
    return LastUpdated(*_period(asked, value))


def _period(asked: Asked, value: str) -> tuple[Prefix, datetime | None, datetime | None]:
    if asked.modifier:
        raise asked.bad_modifier()
    prefix, text = (value[:2], value[2:]) if value[:1].isalpha() else ("eq", value)
    # an unencoded `+` of a zone arrives as a space
    covered = interval(text.replace(" ", "+")) if prefix in list(Prefix) else None
    if covered is None:
        raise asked.bad_value(value, "a date with an optional prefix (eq ne gt lt ge le sa eb ap)")
    return Prefix(prefix), *(_approximate(*covered) if prefix == Prefix.AP else covered)


def _approximate(lo: datetime | None, hi: datetime | None) -> tuple[datetime | None, datetime | None]:
    now = clock.now()
    try:
        return (
            None if lo is None else lo - abs(now - lo) * APPROXIMATELY,
            None if hi is None else hi + abs(now - hi) * APPROXIMATELY,
        )
    except OverflowError:
        return None, None


def reference(asked: Asked, value: str) -> Node:
    """`Type/id`, `id` (of any type the parameter may refer to), or a URL; `:Type` names the type of an id.

    With :identifier, the value is a token and meets the identifier that stands in the reference; with :text, it is how
    the text beside the reference starts; with :above and :below it is a canonical URL with a version.
    """
    if asked.modifier == "identifier":
        return Token(token_key(asked.parameter.id, token_parts(asked, value)))
    if asked.modifier == "text":
        return _text(asked, value)
    text = unescape(value)
    if asked.modifier in ("above", "below"):
        return _versions(asked, text)
    if asked.modifier:
        return _typed(asked, text)
    if is_logical_id(text):
        targets = asked.parameter.targets or tuple(TYPE_ID)
        return Or(tuple(_to(asked, TYPE_ID[name], text) for name in targets if name in TYPE_ID))
    found = target(text, asked.bases)
    if found is None or (found[0] is None and ":" not in text):
        raise asked.bad_value(value, "of the form Type/id, id or URL")
    return _to(asked, *found)


def _versions(asked: Asked, text: str) -> Node:
    """The versions of a canonical URL that are in or below one, or from which one is; versions are parted by dots.

    No hierarchy is defined for other references.
    """
    if Pointing.URL not in pointing(asked.type_name, asked.parameter):
        raise asked.bad_modifier()
    url, _, version = text.partition("|")
    if not url or not version:
        raise asked.bad_value(text, "a canonical URL with a version, as in http://acme.org/plan|1.2")
    if asked.modifier == "below":
        return Versions(asked.parameter.id, url, version)
    parts = version.split(".")
    return Or(tuple(_to(asked, None, f"{url}|{'.'.join(parts[:n])}") for n in range(1, len(parts) + 1)))


def _typed(asked: Asked, text: str) -> Node:
    if asked.modifier not in TYPE_ID:
        raise asked.bad_modifier()
    id_ = text.removeprefix(f"{asked.modifier}/")
    if not is_logical_id(id_):
        raise asked.bad_value(text, f"the id of a {asked.modifier}")
    return _to(asked, TYPE_ID[asked.modifier], id_)


def _to(asked: Asked, target_type: int | None, place: str) -> Reference:
    patient = target_type == PATIENT and is_patient_link(asked.type_name, asked.parameter)
    return Reference(asked.parameter.id, target_type, place, patient)


def logical_id(asked: Asked, value: str) -> Node:
    """The logical id of the resource; what cannot be an id matches nothing."""
    if asked.modifier not in ("", "not"):
        raise asked.bad_modifier()
    return Id(value) if is_logical_id(value) else Or(())


CRITERIA: Mapping[str, Callable[[Asked, str], Node]] = {
    "token": token,
    "uri": uri,
    "string": string,
    "date": date,
    "number": number,
    "quantity": quantity,
    "reference": reference,
}
"""What reads a value, by the type of its parameter."""

SPECIAL: Mapping[str, Callable[[Asked, str], Node]] = {"_id": logical_id, "_lastUpdated": last_updated}
"""Parameters that are columns of the resource."""
