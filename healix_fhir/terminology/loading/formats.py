"""The formats that can be loaded, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from healix_fhir.terminology.loading.claml import CLAML
from healix_fhir.terminology.loading.comma_separated import CSV
from healix_fhir.terminology.loading.format import Format
from healix_fhir.terminology.loading.icd10cm import ICD10CM
from healix_fhir.terminology.loading.loinc import LOINC
from healix_fhir.terminology.loading.rxnorm import RXNORM
from healix_fhir.terminology.loading.snomed import SNOMED

FORMATS: Mapping[str, Format] = MappingProxyType(
    {one.name: one for one in (CSV, CLAML, ICD10CM, LOINC, RXNORM, SNOMED)}
)
