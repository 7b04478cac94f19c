"""$stats: statistics of a subject's measurements, for each code asked for.

An observation counts by its own code and by those of its components; of one that is asked for all components count, and
so do the observations that are its members. Values are quantities in UCUM; those whose units can be compared are one
series, in the unit they share or else in base units.

Spec: FHIR R4, hl7.org/fhir/R4/observation-operation-stats.html
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import decode_stored, encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.model.ucum.canonical import canonical
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.figures import CODES, FIGURES, Measurement, figure, regression
from healix_fhir.operation.given import Given, Json
from healix_fhir.operation.invocation import Invocation
from healix_fhir.search.matched import Matched, conditions, matched
from healix_fhir.search.values import escape
from healix_fhir.store.read import audit_shown
from smart_auth.access import AccessContext

OBSERVATION = "Observation"
UCUM = "http://unitsofmeasure.org"
STATISTICS = "http://terminology.hl7.org/CodeSystem/observation-statistics"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
UNITLESS = frozenset({"count", "total-count", "skew", "kurtosis"})
MOST = 20_000
"""Observations that one call may look at."""
STATS = changed(
    standard("Observation-stats"),
    f"A call looks at {MOST} observations at most. Deviation and variance are those of a sample; the regression is per"
    " day, its intercept at the first measurement.",
)
DURATION = Decimal(24 * 366 * 200)  # hours; longer than anybody lives

Coding = tuple[str, str]


class Asked(msgspec.Struct, frozen=True):
    """What is asked for: the codes, the times (`date` as search parameters) and the statistics."""

    subject: str
    codes: tuple[Coding, ...]
    statistics: tuple[str, ...]
    period: Json
    date: tuple[tuple[str, str], ...]


class Point(msgspec.Struct, frozen=True):
    """One value, or None in place of one that is none, of a code with its concept."""

    code: Coding
    concept: Json
    value: tuple[Decimal, str] | None
    at: datetime | None


async def stats(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with an Observation for each code. Raises Forbidden, Invalid, or TooLarge."""
    given = invocation.given
    asked = _asked(given)
    found, members = await interactions.looked_up(lambda: _measured(access, asked, interactions.bases[0]), aside=True)
    made = await asyncio.to_thread(_statistics, asked, found, members)
    parts: list[Json] = [{"name": "statistics", "resource": one} for one in made]
    if given.flag("include"):
        shown = [*found, *members][: given.number("limit") or MOST]
        parts += [{"name": "source", "resource": decode_stored(one.body)} for one in shown]
    return encode({"resourceType": "Parameters", "parameter": parts})


def _asked(given: Given) -> Asked:
    system = given.text("system") or ""
    codes = [(system, code) for code in given.texts("code")]
    codes += [(one.get("system", ""), one.get("code", "")) for one in given.all("coding")]
    if not codes or not all(code for _, code in codes):
        raise invalid("$stats needs a code, or a coding that has one", code="required", expression=("code",))
    wanted = given.texts("statistic")
    for code in wanted:
        if code not in CODES:
            raise invalid(f"statistic: '{code[:64]}' is none of R4's", code="value", expression=("statistic",))
    period = _period(given)
    date = [("date", f"{prefix}{period[key]}") for key, prefix in (("start", "ge"), ("end", "le")) if key in period]
    return Asked(
        str(given.one("subject")), tuple(dict.fromkeys(codes)), tuple(dict.fromkeys(wanted)), period, tuple(date)
    )


def _period(given: Given) -> Json:
    duration, period = given.decimal("duration"), given.json("period")
    if duration is not None and period is not None:
        raise invalid("$stats takes a duration or a period", code="value", expression=("period",))
    if duration is None:
        return period or {}
    if not 0 < duration <= DURATION:
        raise invalid("duration must be a number of hours above 0", code="value", expression=("duration",))
    now = clock.now()
    return {"start": instant(now - timedelta(hours=float(duration))), "end": instant(now)}


def _measured(access: AccessContext, asked: Asked, base: str) -> Work[tuple[list[Matched], list[Matched]]]:
    """The observations of the codes, and the members of those that are panels; each once."""
    tokens = ",".join(f"{escape(system)}|{escape(code)}" if system else escape(code) for system, code in asked.codes)
    common = [("subject", escape(asked.subject)), ("status:not", "entered-in-error"), *asked.date]
    of_code = conditions(OBSERVATION, [*common, ("combo-code", tokens)], "$stats", base)
    of_panel = conditions(OBSERVATION, [*common, ("_has:Observation:has-member:code", tokens)], "$stats", base)
    found = yield from matched(access, of_code, MOST, base)
    members = yield from matched(access, of_panel, MOST, base)
    known = {one.id for one in found}
    members = [one for one in members if one.id not in known]
    row = AuditRow(access.origin, "E", "$stats", patient=access.patient, entity=OBSERVATION, query=f"code={tokens}")
    yield audit_shown(row, [(OBSERVATION, one.id) for one in (*found, *members)])
    return found, members


def _statistics(asked: Asked, found: Sequence[Matched], members: Sequence[Matched]) -> list[Json]:
    points: dict[Coding, list[Point]] = {code: [] for code in asked.codes}
    for number, one in enumerate((*found, *members)):
        for point in _points(one, asked.codes, whole=number >= len(found)):
            points.setdefault(point.code, []).append(point)
    return [made for code, series in points.items() for made in _of_code(asked, code, series)]


def _points(one: Matched, codes: Sequence[Coding], *, whole: bool) -> Iterator[Point]:
    """What of an observation counts: of one that is asked for by its own code, or as a member, everything."""
    resource, at = decode_stored(one.body), one.date if isinstance(one.date, datetime) else None
    own = next((code for code in codes if _has(resource["code"], code)), None)
    components = resource.get("component", ())
    if own is not None or whole:
        code = own or _first(resource["code"])
        if code is not None and (not components or "valueQuantity" in resource):
            yield Point(code, resource["code"], _value(resource), at)
    for component in components:
        matching = next((code for code in codes if _has(component["code"], code)), None)
        code = matching or (_first(component["code"]) if own is not None or whole else None)
        if code is not None:
            yield Point(code, component["code"], _value(component), at)


def _has(concept: Json, code: Coding) -> bool:
    wanted, text = code
    return any(
        one.get("code") == text and (not wanted or one.get("system") == wanted) for one in concept.get("coding", ())
    )


def _first(concept: Json) -> Coding | None:
    return next(((one.get("system", ""), one["code"]) for one in concept.get("coding", ()) if "code" in one), None)


def _value(holder: Json) -> tuple[Decimal, str] | None:
    quantity = holder.get("valueQuantity", {})
    if quantity.get("system") != UCUM or "comparator" in quantity or "modifierExtension" in holder:
        return None
    value, unit = quantity.get("value"), quantity.get("code")
    if value is None or unit is None or canonical(Decimal(value), unit) is None:
        return None
    return Decimal(value), unit


def _of_code(asked: Asked, code: Coding, series: Sequence[Point]) -> Iterator[Json]:
    """The Observation of a code; one for each kind of unit where its values cannot be compared."""
    kinds: dict[str, list[Point]] = defaultdict(list)
    for point in series:
        base = canonical(*point.value) if point.value is not None else None
        if base is not None:
            kinds[base[1]].append(point)
    concept = series[0].concept if series else {"coding": [_coding(*code)]}
    for base_unit, inside in kinds.items() or [("", [])]:
        units = {point.value[1] for point in inside if point.value is not None}
        unit = units.pop() if len(units) == 1 else base_unit
        same = unit != base_unit or not units
        measured = [
            Measurement(point.value[0] if same else _base(point.value), point.at)
            for point in inside
            if point.value is not None
        ]
        components = [part for name in asked.statistics for part in _component(name, measured, unit, len(series))]
        yield {
            "resourceType": OBSERVATION,
            "status": "final",
            "code": concept,
            "subject": {"reference": asked.subject},
            **({"effectivePeriod": period} if (period := asked.period or _spanned(series)) else {}),
            "component": components,
        }


def _base(value: tuple[Decimal, str]) -> Decimal:
    found = canonical(*value)
    assert found is not None
    return found[0]


def _coding(system: str, code: str) -> Json:
    return {"system": system, "code": code} if system else {"code": code}


def _spanned(series: Sequence[Point]) -> Json:
    times = [point.at for point in series if point.at is not None]
    return {"start": instant(min(times)), "end": instant(max(times))} if times else {}


def _component(name: str, measured: Sequence[Measurement], unit: str, total: int) -> Iterator[Json]:
    code: dict[str, Any] = {"coding": [{"system": STATISTICS, "code": name}]}
    if name == "regression":
        line = regression(measured)
        yield _valued(code | {"text": "gradient per day"}, None if line is None else line[0], unit)
        yield _valued(code | {"text": "intercept"}, None if line is None else line[1], unit)
    elif name == "total-count":
        yield _valued(code, Decimal(total), "1")
    else:
        assert name in FIGURES
        found = figure(name, measured)
        unit = "1" if name in UNITLESS else f"({unit})2" if name == "variance" and unit not in ("", "1") else unit
        yield _valued(code, found, unit)


def _valued(code: Json, value: Decimal | None, unit: str) -> Json:
    if value is None:
        return {"code": code, "dataAbsentReason": {"coding": [{"system": ABSENT, "code": "not-applicable"}]}}
    coded = {"unit": unit, "system": UCUM, "code": unit} if unit else {}
    return {"code": code, "valueQuantity": {"value": value, **coded}}
