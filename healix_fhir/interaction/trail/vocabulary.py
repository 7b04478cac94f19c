"""What was done, in the codes of AuditEvent: the words of audit rows and what they are called.

A word is the name of its protocol (a FHIR interaction, a DICOMweb transaction, a DIMSE service). Each becomes one type
and one or more subtypes; the last subtype is always the word itself in `WORDS`.

Spec: IHE BALP 1.1.3; FHIR R4, hl7.org/fhir/R4/valueset-audit-event-type.html; DICOM PS3.16 CID 400-403
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

DCM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
IHE_EVENT = "urn:ihe:event-type-code"
WORDS = "urn:healix:audit-event"
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."


class Coding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A Coding."""

    system: str
    code: str
    display: str | None = None


class Sense(msgspec.Struct, frozen=True):
    """The type of an event and its subtypes before the word itself."""

    type: Coding
    subtypes: tuple[Coding, ...] = ()


REST = Coding(EVENT_TYPE, "rest", "RESTful Operation")
AUTHENTICATION = Coding(DCM, "110114", "User Authentication")
TRANSFERRED = Coding(DCM, "110104", "DICOM Instances Transferred")
PROCEDURE = Coding(DCM, "110111", "Procedure Record")
DELETED = Coding(DCM, "110105", "DICOM Study Deleted")
QUERY = Coding(DCM, "110112", "Query")
ALERT = Coding(DCM, "110113", "Security Alert")
ACTIVITY = Coding(DCM, "110100", "Application Activity")
ATTRIBUTES = Coding(DCM, "110137", "User security Attributes Changed")
CONFIGURATION = Coding(DCM, "110131", "Security Configuration")
NODE = Coding(DCM, "110126", "Node Authentication")
IMPORTED = Coding(DCM, "110107", "Import")
EXPORTED = Coding(DCM, "110106", "Export")
INTROSPECTION = Coding(IHE_EVENT, "ITI-102", "Introspect Token")
TOKEN = Coding(IHE_EVENT, "ITI-71", "Get Access Token")


def _rest(*codes: str) -> Sense:
    return Sense(REST, tuple(Coding(INTERACTION, code, code) for code in codes))


SENSES: Mapping[str, Sense] = {
    **{
        code: _rest(code)
        for code in ("read", "vread", "create", "update", "patch", "delete", "history-instance", "history-type")
    },
    "history-system": _rest("history-system"),
    "search-type": _rest("search", "search-type"),
    "search-system": _rest("search", "search-system"),
    "transaction": _rest("transaction"),
    "login": Sense(AUTHENTICATION, (Coding(DCM, "110122", "Login"),)),
    "logout": Sense(AUTHENTICATION, (Coding(DCM, "110123", "Logout"),)),
    **dict.fromkeys(("authorize", "launch", "second-factor"), Sense(AUTHENTICATION)),
    "token": Sense(AUTHENTICATION, (TOKEN,)),
    "introspect": Sense(AUTHENTICATION, (INTROSPECTION,)),
    "session": Sense(AUTHENTICATION, (Coding(DCM, "110123", "Logout"),)),
    **dict.fromkeys(("register", "reset", "revoke", "userinfo"), Sense(AUTHENTICATION)),
    **dict.fromkeys(
        ("account", "account-link", "factor", "invitation", "mail-address", "pairing-code", "password", "registration"),
        Sense(ALERT, (ATTRIBUTES,)),
    ),
    **dict.fromkeys(("care-accept", "care-decline", "care-end", "care-invite"), Sense(ALERT, (ATTRIBUTES,))),
    **dict.fromkeys(
        (
            "client",
            "code-system",
            "peer",
            "package",
            "prefetch-rule",
            "route",
            "signing-key",
            "research-project",
            "drug-interactions",
            "job",
            "subscription",
            "sync-conflict",
            "sync-upstream",
        ),
        Sense(ALERT, (CONFIGURATION,)),
    ),
    **dict.fromkeys(("flood", "page"), Sense(ALERT)),
    **dict.fromkeys(("A-ASSOCIATE", "A-P-ABORT", "C-ECHO"), Sense(AUTHENTICATION, (NODE,))),
    **dict.fromkeys(("cds-service", "command", "notification"), Sense(ACTIVITY)),
    **dict.fromkeys(("query-patient", "query-study", "query-series", "query-instance"), Sense(QUERY)),
    **dict.fromkeys(("query-workitem", "query-worklist", "query-non-patient", "C-FIND"), Sense(QUERY)),
    **dict.fromkeys(("storage-commitment", "commitment-report", "availability-notice"), Sense(ACTIVITY)),
    **dict.fromkeys(("commitment-request", "commitment-outcome"), Sense(ACTIVITY)),
    **dict.fromkeys(("forward", "prefetch", "push", "pull"), Sense(TRANSFERRED)),
    **dict.fromkeys(
        ("workitem-create", "workitem-retrieve", "workitem-update", "workitem-state", "workitem-cancel"),
        Sense(PROCEDURE),
    ),
    **dict.fromkeys(
        ("workitem-subscribe", "workitem-unsubscribe", "workitem-suspend", "workitem-channel", "workitem-event"),
        Sense(PROCEDURE),
    ),
    **dict.fromkeys(
        ("performed-step-create", "performed-step-change", "performed-step-retrieve", "worklist"), Sense(PROCEDURE)
    ),
    "C-GET": Sense(TRANSFERRED),
    **dict.fromkeys(("bulk-file", "bulk-job", "document-link", "synchronize"), Sense(EXPORTED)),
    "bulk-upload": Sense(IMPORTED),
    **dict.fromkeys(("C-STORE", "C-MOVE", "STOW-RS", "import", "de-identify"), Sense(TRANSFERRED)),
    **dict.fromkeys(("retrieve", "retrieve-metadata", "retrieve-frames", "retrieve-bulkdata"), Sense(TRANSFERRED)),
    **dict.fromkeys(("retrieve-rendered", "retrieve-thumbnail", "retrieve-anonymized"), Sense(TRANSFERRED)),
    **dict.fromkeys(
        (
            "delete-instances",
            "restore-instances",
            "purge-instances",
            "expire-instances",
            "reject-instances",
            "replace-instances",
        ),
        Sense(DELETED),
    ),
    **dict.fromkeys(("assign-study", "hold", "relabel-study", "release", "retention-rule"), Sense(ACTIVITY)),
    **dict.fromkeys(("query-deleted", "query-unmatched"), Sense(QUERY)),
    **dict.fromkeys(("list-administered", "show-administered", "list-break-glass"), Sense(QUERY)),
}
OPERATION = _rest("operation")
REFUSED_REQUEST = Sense(REST)
REFUSED_IMAGES = Sense(TRANSFERRED)
OTHERS = Sense(ACTIVITY)


@cache
def sense(word: str) -> Sense:
    """What a word of the trail means."""
    if word in SENSES:
        return SENSES[word]
    if word.startswith("$"):
        return OPERATION
    if word.startswith("fhir."):  # an address at which a request was refused
        return REFUSED_REQUEST
    return REFUSED_IMAGES if word.startswith("dicomweb.") else OTHERS


PROFILES: Mapping[str, str] = {
    **dict.fromkeys(("read", "vread", "history-instance"), "Read"),
    "create": "Create",
    **dict.fromkeys(("update", "patch"), "Update"),
    "delete": "Delete",
    **dict.fromkeys(("search-type", "search-system"), "Query"),
}
"""The BALP patterns; that of a patient's data has `Patient` before it."""
ACTIONS: Mapping[str, str] = {"Create": "C", "Read": "R", "Update": "U", "Delete": "D", "Query": "E"}
