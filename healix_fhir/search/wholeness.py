"""What is said while resources are still indexed by an older version of this program.

A new version may make index rows that older resources lack until the run that it starts has ended. A search that looks
at the index may then miss some, and says so.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#errors
"""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.kernel.errors import Issue
from healix_fhir.model.custom import current
from healix_fhir.search.controls import CONTROLS
from healix_fhir.search.params.indexed import COLUMNS
from healix_fhir.search.searched import Searched

INCLUDES = ("_include", "_revinclude")
NOT_WHOLE = (
    "the search index is being written anew after an update of the server: until that has ended, searches by anything"
    " but _id and _lastUpdated may miss resources"
)


def warnings(searched: Searched, params: Iterable[tuple[str, str]]) -> tuple[Issue, ...]:
    """The warning, where what a search finds depends on index rows and not all are as they should be."""
    if current().whole or not (searched.owner or any(map(_asks_index, params))):
        return ()
    return (Issue("incomplete", NOT_WHOLE, severity="warning"),)


def _asks_index(param: tuple[str, str]) -> bool:
    name, _ = param
    return name.startswith(INCLUDES) or (name not in CONTROLS and name.partition(":")[0] not in COLUMNS)
