"""The export of Apple Health: `export.xml`, a stream of records, and the strips of ECGs beside it in the archive.

The file may have hundreds of megabytes; it is parsed in pieces by expat, and nothing is kept of what is read. Its
document type declares elements, and so may it here; entities it has none, and none are taken.

Records that are no metric of ours are counted by their type and left out. A blood pressure is a correlation of two
records, which stand for themselves too and are not taken twice. Phases of sleep become nights.

Spec: Apple HealthKit, developer.apple.com/documentation/healthkit/hkquantitytypeidentifier; the document type that
stands in each export (HealthKit Export Version 14)
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any
from xml.parsers import expat

from healix_fhir.care.wearables.nights import Nights
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.operation.measurement.reading import Refused

Fields = dict[str, Any]
Line = tuple[int, Fields | Refused]
QUANTITY, CATEGORY, CORRELATION = "HKQuantityTypeIdentifier", "HKCategoryTypeIdentifier", "HKCorrelationTypeIdentifier"
METRICS: Mapping[str, str] = MappingProxyType(
    {
        f"{QUANTITY}HeartRate": "heart-rate",
        f"{QUANTITY}OxygenSaturation": "oxygen-saturation",
        f"{QUANTITY}RespiratoryRate": "respiratory-rate",
        f"{QUANTITY}BodyTemperature": "temperature",
        f"{QUANTITY}BodyMass": "weight",
        f"{QUANTITY}Height": "height",
        f"{QUANTITY}BodyMassIndex": "bmi",
        f"{QUANTITY}BloodGlucose": "glucose",
        f"{QUANTITY}StepCount": "steps",
        f"{QUANTITY}HeartRateVariabilitySDNN": "heart-rate-variability",
    }
)
"""The metric of each type of record that has one."""
SLEEP = f"{CATEGORY}SleepAnalysis"
ASLEEP = "HKCategoryValueSleepAnalysisAsleep"
"""What the values of phases that are slept begin with; others are in bed, or awake."""
PRESSURE = f"{CORRELATION}BloodPressure"
SYSTOLIC, DIASTOLIC = f"{QUANTITY}BloodPressureSystolic", f"{QUANTITY}BloodPressureDiastolic"
LASTING = frozenset({"steps"})
WAYS: Mapping[tuple[str, str], tuple[str, Decimal]] = MappingProxyType(
    {
        ("oxygen-saturation", "%"): ("%", Decimal(100)),  # Apple writes a share of 1
        ("bmi", "count"): ("", Decimal(1)),
        ("height", "m"): ("cm", Decimal(100)),
        ("height", "ft"): ("in", Decimal(12)),
    }
)
"""Units as Apple writes them: by metric and unit, the unit here and what a value is multiplied with."""
WEIGHED = re.compile(r"mmol<[0-9.]+>/L")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)", re.ASCII)
DEEPEST = 50


class Export:
    """Reads one export.xml; `skipped` counts the records of types that are no metric."""

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()
        self._nights = Nights()
        self._found: list[Line] = []
        self._pressure: tuple[int, dict[str, str], dict[str, str]] | None = None
        self._depth = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.EntityDeclHandler = _no_entity
        self._parser.ExternalEntityRefHandler = _no_external
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def lines(self, pieces: Iterable[bytes]) -> Iterator[Line]:
        """The readings, each with the line where it begins. Raises Invalid where the XML is none of an export."""
        try:
            for piece in pieces:
                self._parser.Parse(piece, False)
                yield from self._taken()
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            yield from self._taken()
            number = self._parser.CurrentLineNumber
            yield number, Refused(number, f"the XML ends here: {expat.ErrorString(error.code)}")
        yield from self._taken()
        yield from self._nights.rest()

    def _taken(self) -> list[Line]:
        found, self._found = self._found, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise invalid(f"the XML is nested more than {DEEPEST} deep", code="structure")
        if self._depth == 1 and name != "HealthData":
            raise invalid(f"this is no export of Apple Health: it begins with <{name[:64]}>", code="structure")
        number = self._parser.CurrentLineNumber
        if name == "Correlation" and attributes.get("type") == PRESSURE:
            self._pressure = number, attributes, {}
        elif name == "Record":
            self._record(number, attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "Correlation" and self._pressure is not None:
            number, attributes, values = self._pressure
            self._pressure = None
            value = f"{values.get(SYSTOLIC, '')}/{values.get(DIASTOLIC, '')}"
            self._found.append((number, _fields("blood-pressure", attributes, value, "mmHg")))

    def _record(self, number: int, attributes: dict[str, str]) -> None:
        kind = attributes.get("type", "")
        if kind in (SYSTOLIC, DIASTOLIC):
            if self._pressure is not None:
                self._pressure[2][kind] = attributes.get("value", "")
        elif kind == SLEEP:
            self._sleep(number, attributes)
        elif kind in METRICS:
            try:
                self._found.append((number, _reading(METRICS[kind], attributes)))
            except HealixError as error:
                self._found.append((number, Refused(number, error.message)))
        else:
            self.skipped[kind[:100]] += 1

    def _sleep(self, number: int, attributes: dict[str, str]) -> None:
        if not attributes.get("value", "").startswith(ASLEEP):
            return
        begin, end = (_moment(attributes.get(name, "")) for name in ("startDate", "endDate"))
        try:
            span = datetime.fromisoformat(begin), datetime.fromisoformat(end)
        except ValueError:
            self._found.append((number, Refused(number, f"a phase of sleep from '{begin[:64]}' to '{end[:64]}'")))
            return
        self._found += self._nights.phase(attributes.get("sourceName", "")[:200], *span, number)


def _reading(metric: str, attributes: Mapping[str, str]) -> Fields:
    unit = WEIGHED.sub("mmol/L", attributes.get("unit", ""))
    value = attributes.get("value", "")
    unit, factor = WAYS.get((metric, unit), (unit, Decimal(1)))
    if factor != 1:
        value = _times(value, factor)
    return _fields(metric, attributes, value, unit)


def _times(value: str, factor: Decimal) -> str:
    try:
        return f"{(Decimal(value) * factor).normalize():f}"
    except InvalidOperation as error:
        raise invalid(f"'{value[:64]}' is no number") from error


def _fields(metric: str, attributes: Mapping[str, str], value: str, unit: str) -> Fields:
    lasting = {"end": _moment(attributes.get("endDate", ""))} if metric in LASTING else {}
    return {
        "device": attributes.get("sourceName", "")[:200],
        "metric": metric,
        "time": _moment(attributes.get("startDate", "")),
        "value": value,
        "unit": unit,
    } | lasting


def _moment(text: str) -> str:
    """A time as FHIR writes it; what is none is left for its line's refusal."""
    found = MOMENT.fullmatch(text.strip())
    return f"{found[1]}T{found[2]}{found[3]}:{found[4]}" if found else text


def _no_entity(*_: Any) -> None:
    raise invalid("the XML declares an entity; an export of Apple Health has none", code="structure")


def _no_external(*_: Any) -> int:
    raise invalid("the XML refers to another file; an export of Apple Health does not", code="structure")


STRIP = ("Recorded Date", "Sample Rate", "Unit")


def strip(number: int, name: str, text: str) -> Line:
    """The reading of an ECG as the archive holds it: a head of names and values, then a sample on each line."""
    head: dict[str, str] = {}
    samples: list[str] = []
    for cells in csv.reader(io.StringIO(text, newline="")):
        if len(cells) > 1 and not samples and not _is_number(cells):
            head[cells[0].strip()] = cells[1].strip()
        elif cells and cells[0].strip():
            samples.append(cells[0].strip() if len(cells) == 1 else f"{cells[0].strip()}.{cells[1].strip()}")
    missing = next((one for one in STRIP if one not in head), None)
    if missing is not None:
        return number, Refused(number, f"{name}: the strip has no '{missing}'")
    rate = re.match(r"[0-9]+(?:[.,][0-9]+)?", head["Sample Rate"])
    hertz = Decimal(rate[0].replace(",", ".")) if rate is not None else Decimal(0)
    if hertz <= 0:
        return number, Refused(number, f"{name}: the sample rate is '{head['Sample Rate'][:64]}'")
    return number, {
        "device": head.get("Device", "Apple Watch")[:200],
        "metric": "ecg",
        "time": _moment(head["Recorded Date"]),
        "value": " ".join(samples),
        "unit": head["Unit"].replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u"),
        "period": f"{(1000 / hertz):.6f}".rstrip("0").rstrip("."),
    }


def _is_number(cells: list[str]) -> bool:
    """Whether a line is a sample with a comma for its point."""
    return len(cells) == 2 and all(re.fullmatch(r"-?[0-9]+", cell.strip()) for cell in cells)
