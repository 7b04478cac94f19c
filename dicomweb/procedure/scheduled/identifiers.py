"""The identifiers of scheduled steps: those that an order gives, else such as the server makes from a step's number.

Spec: PS3.3 C.4.10 to C.4.12 (2024d); IHE RAD TF-2 Appendix B for which of them images carry
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from dicomweb.dicomjson.reading import DataSet
from dicomweb.procedure.content import made, text
from dicomweb.procedure.scheduled.attributes import ACCESSION, STEP, STUDY_UID

NAMESPACE = uuid.UUID("1f1c3f4e-6a0b-5d0c-9a52-0d5b6a3c7f10")
"""Of the Study Instance UIDs that the server makes: the same order gives the same study."""
PROCEDURE_ID = "00401001"


def identified(dataset: DataSet, number: int, origin: str) -> DataSet:
    """A worklist item with every identifier; `number` is the step's, `origin` names what it was made from."""
    own = {
        ACCESSION: ("AccessionNumber", f"HX{number:09}"),
        PROCEDURE_ID: ("RequestedProcedureID", f"P{number:09}"),
        STUDY_UID: ("StudyInstanceUID", study_uid(origin)),
    }
    missing = dict(named for tag, named in own.items() if not text(dataset, tag))
    (step,) = dataset[STEP]["Value"]
    whole = step | made({"ScheduledProcedureStepID": step_id(number)})
    return dict(sorted((dataset | made(missing) | {STEP: _sequence(dict(sorted(whole.items())))}).items()))


def step_id(number: int) -> str:
    """The Scheduled Procedure Step ID, unique among all steps of this server."""
    return f"S{number:09}"


def study_uid(origin: str) -> str:
    """A UID for the study that an order asks for. Spec: PS3.5 B.2 (2024d): derived from a UUID"""
    return f"2.25.{uuid.uuid5(NAMESPACE, origin).int}"


def made_uid() -> str:
    """A UID that nobody else has. Spec: PS3.5 B.2 (2024d)"""
    return f"2.25.{uuid.uuid4().int}"


def _sequence(item: Mapping[str, object]) -> dict[str, object]:
    return {"vr": "SQ", "Value": [item]}
