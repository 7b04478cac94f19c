"""What wearables measure: each metric with its LOINC code, its units, and the values that are usual and possible.

The usual ranges are those of adults at rest; they mark a reading as high or low and are no diagnosis. What is outside
of the possible is a fault of the device or of its fit.

Spec: FHIR R4, hl7.org/fhir/R4/observation-vitalsigns.html; LOINC 2.77; UCUM 2.1
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import msgspec

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
VITAL_SIGNS = "http://hl7.org/fhir/StructureDefinition/"


class Unit(msgspec.Struct, frozen=True):
    """A unit that readings come in: its UCUM code, how people write it, and how it becomes the metric's first unit.

    A value in the first unit is `value * factor + offset`.
    """

    code: str
    shown: str
    factor: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    loinc: tuple[str, str] | None = None
    """The LOINC code and its display, where the unit has one of its own."""


class Range(msgspec.Struct, frozen=True):
    """Limits in the metric's first unit, both included; None: no limit on that side."""

    low: Decimal | None = None
    high: Decimal | None = None


class Component(msgspec.Struct, frozen=True):
    """One of several values of a reading."""

    loinc: tuple[str, str]
    usual: Range
    possible: Range


class Metric(msgspec.Struct, frozen=True):
    """A metric. `profile` is the vital sign's, which the Observation claims; `parts` are those of a blood pressure.

    `lasting`: a reading is about a period, as steps and sleep are. `sampled`: it is a strip of samples.
    """

    name: str
    loinc: tuple[str, str]
    units: tuple[Unit, ...]
    category: str = "vital-signs"
    profile: str | None = None
    usual: Range = Range()
    possible: Range = Range()
    parts: tuple[Component, ...] = ()
    lasting: bool = False
    sampled: bool = False

    def unit(self, text: str) -> Unit | None:
        """The unit that `text` names by its code or in one of the ways in which it is written; the first for none."""
        if not text:
            return self.units[0]
        code = ALIASES.get(text.lower().replace(" ", ""), text)
        return next((unit for unit in self.units if unit.code in (text, code)), None)


def _range(low: float | str | None, high: float | str | None) -> Range:
    return Range(*(None if limit is None else Decimal(str(limit)) for limit in (low, high)))


PER_MINUTE = Unit("/min", "/min")
PERCENT = Unit("%", "%")
MMHG = Unit("mm[Hg]", "mmHg")
HOURS = Unit("h", "h")

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "bpm": "/min",
        "beats/min": "/min",
        "beats/minute": "/min",
        "breaths/min": "/min",
        "breaths/minute": "/min",
        "count/min": "/min",
        "1/min": "/min",
        "percent": "%",
        "mmhg": "mm[Hg]",
        "lb": "[lb_av]",
        "lbs": "[lb_av]",
        "in": "[in_i]",
        "inch": "[in_i]",
        "inches": "[in_i]",
        "c": "Cel",
        "°c": "Cel",
        "degc": "Cel",
        "celsius": "Cel",
        "f": "[degF]",
        "°f": "[degF]",
        "degf": "[degF]",
        "fahrenheit": "[degF]",
        "mg/dl": "mg/dL",
        "mmol/l": "mmol/L",
        "kg/m^2": "kg/m2",
        "kg/m²": "kg/m2",
        "steps": "{steps}",
        "count": "{steps}",
        "hours": "h",
        "hr": "h",
        "minutes": "min",
        "mins": "min",
        "msec": "ms",
        "millivolt": "mV",
    }
)
"""Ways to write units, in lower case and without spaces, that are no UCUM."""

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric(
                "heart-rate",
                ("8867-4", "Heart rate"),
                (PER_MINUTE,),
                profile="heartrate",
                usual=_range(40, 120),
                possible=_range(10, 350),
            ),
            Metric(
                "oxygen-saturation",
                ("2708-6", "Oxygen saturation in Arterial blood"),
                (PERCENT,),
                profile="oxygensat",
                usual=_range(92, 100),
                possible=_range(30, 100),
            ),
            Metric(
                "respiratory-rate",
                ("9279-1", "Respiratory rate"),
                (PER_MINUTE,),
                profile="resprate",
                usual=_range(8, 25),
                possible=_range(1, 120),
            ),
            Metric(
                "temperature",
                ("8310-5", "Body temperature"),
                (Unit("Cel", "°C"), Unit("[degF]", "°F", Decimal(5) / 9, Decimal(-160) / 9)),
                profile="bodytemp",
                usual=_range(35, 38),
                possible=_range(20, 46),
            ),
            Metric(
                "weight",
                ("29463-7", "Body weight"),
                (Unit("kg", "kg"), Unit("g", "g", Decimal("0.001")), Unit("[lb_av]", "lb", Decimal("0.45359237"))),
                profile="bodyweight",
                usual=_range(30, 250),
                possible=_range("0.2", 700),
            ),
            Metric(
                "height",
                ("8302-2", "Body height"),
                (Unit("cm", "cm"), Unit("[in_i]", "in", Decimal("2.54"))),
                profile="bodyheight",
                usual=_range(120, 220),
                possible=_range(15, 280),
            ),
            Metric(
                "bmi",
                ("39156-5", "Body mass index (BMI) [Ratio]"),
                (Unit("kg/m2", "kg/m²"),),
                profile="bmi",
                usual=_range("18.5", 30),
                possible=_range(5, 250),
            ),
            Metric(
                "blood-pressure",
                ("85354-9", "Blood pressure panel with all children optional"),
                (MMHG,),
                profile="bp",
                parts=(
                    Component(("8480-6", "Systolic blood pressure"), _range(90, 140), _range(20, 350)),
                    Component(("8462-4", "Diastolic blood pressure"), _range(50, 90), _range(10, 250)),
                ),
            ),
            Metric(
                "glucose",
                ("2339-0", "Glucose [Mass/volume] in Blood"),
                (
                    Unit("mg/dL", "mg/dL"),
                    Unit(
                        "mmol/L",
                        "mmol/L",
                        Decimal("18.0156"),
                        loinc=("15074-8", "Glucose [Moles/volume] in Blood"),
                    ),
                ),
                category="laboratory",
                usual=_range(70, 180),
                possible=_range(5, 2000),
            ),
            Metric(
                "steps",
                ("55423-8", "Number of steps in unspecified time Pedometer"),
                (Unit("{steps}", "steps"),),
                category="activity",
                possible=_range(0, 200_000),
                lasting=True,
            ),
            Metric(
                "sleep",
                ("93832-4", "Sleep duration"),
                (HOURS, Unit("min", "min", Decimal(1) / 60)),
                category="activity",
                usual=_range(5, 11),
                possible=_range(0, 24),
                lasting=True,
            ),
            Metric(
                "heart-rate-variability",
                ("80404-7", "R-R interval.standard deviation (Heart rate variability)"),
                (Unit("ms", "ms"),),
                usual=_range(10, 250),
                possible=_range(0, 1000),
            ),
            Metric(
                "ecg",
                ("11524-6", "EKG study"),
                (Unit("mV", "mV"), Unit("uV", "µV", Decimal("0.001"))),
                category="procedure",
                possible=_range(-20, 20),
                sampled=True,
            ),
        )
    }
)
"""Metrics by the name by which readings call them."""
