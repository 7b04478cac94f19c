"""Days, moments and numbers in the form of the language of the request.

English has ISO 8601, which no reader takes for the other order of day and month. Spec: Unicode CLDR 46, dates
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from healix_fhir.kernel.language.catalogue import say
from healix_fhir.kernel.language.spoken import language

POINT = re.compile(r"(?<=\d)\.(?=\d)")


@dataclass(frozen=True, slots=True)
class Form:
    """How a language writes: `day` and `month` in figures, `long` a day with its weekday."""

    day: str
    month: str
    long: str
    decimal: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "en": Form(
            "{y:04}-{m:02}-{d:02}",
            "{y:04}-{m:02}",
            "{weekday}, {d} {month} {y}",
            ".",
            ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
            (
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ),
        ),
        "de": Form(
            "{d:02}.{m:02}.{y:04}",
            "{m:02}/{y:04}",
            "{weekday}, {d}. {month} {y}",
            ",",
            ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
            (
                "Januar",
                "Februar",
                "März",
                "April",
                "Mai",
                "Juni",
                "Juli",
                "August",
                "September",
                "Oktober",
                "November",
                "Dezember",
            ),
        ),
        "es": Form(
            "{d:02}/{m:02}/{y:04}",
            "{m:02}/{y:04}",
            "{weekday}, {d} de {month} de {y}",
            ",",
            ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
            (
                "enero",
                "febrero",
                "marzo",
                "abril",
                "mayo",
                "junio",
                "julio",
                "agosto",
                "septiembre",
                "octubre",
                "noviembre",
                "diciembre",
            ),
        ),
        "fr": Form(
            "{d:02}/{m:02}/{y:04}",
            "{m:02}/{y:04}",
            "{weekday} {d} {month} {y}",
            ",",
            ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
            (
                "janvier",
                "février",
                "mars",
                "avril",
                "mai",
                "juin",
                "juillet",
                "août",
                "septembre",
                "octobre",
                "novembre",
                "décembre",
            ),
        ),
        "hi": Form(
            "{d:02}/{m:02}/{y:04}",
            "{m:02}/{y:04}",
            "{weekday}, {d} {month} {y}",
            ".",
            ("सोमवार", "मंगलवार", "बुधवार", "गुरुवार", "शुक्रवार", "शनिवार", "रविवार"),
            ("जनवरी", "फ़रवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई", "अगस्त", "सितंबर", "अक्टूबर", "नवंबर", "दिसंबर"),
        ),
    }
)


def form() -> Form:
    """How the language of the request writes."""
    return FORMS[language()]


def day(value: date | str | None) -> str:
    """A day, or a FHIR date of a day, a month or a year; any other text as it stands."""
    if value is None or value == "":
        return ""
    if isinstance(value, date):
        return form().day.format(y=value.year, m=value.month, d=value.day)
    parts = value[:10].split("-")
    if not all(part.isdecimal() for part in parts) or len(parts) > 3:
        return value
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        return value
    shape = form().day if len(numbers) == 3 else form().month
    return shape.format(**dict(zip("ymd", numbers, strict=False)))


def moment(value: datetime | str | None) -> str:
    """A moment to the minute by the clock that it is written in."""
    if value is None or value == "":
        return ""
    if isinstance(value, datetime):
        return f"{day(value)} {value:%H:%M}"
    time = value[11:16]
    return f"{day(value)} {time}" if time else day(value)


def long_day(value: date) -> str:
    """A day with its weekday."""
    shape = form()
    month = shape.months[value.month - 1]
    return shape.long.format(weekday=weekday(value), d=value.day, month=month, y=value.year)


def weekday(value: date) -> str:
    """The name of a day of the week."""
    return form().weekdays[value.weekday()]


def figure(value: object) -> str:
    """A number that is written with a point, with the language's decimal sign, and its unit in words where it has
    some, such as steps.
    """
    number, space, unit = POINT.sub(form().decimal, str(value)).partition(" ")
    return f"{number}{space}{say(unit)}" if unit else number
