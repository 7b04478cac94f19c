"""What the conformance statement says of what this server does at other systems by itself.

Spec: PS3.2 N.5.2 (2024d)
"""

from __future__ import annotations

from dicomweb.commitment.asked import KEPT
from dicomweb.commitment.judge import FailureReason
from dicomweb.commitment.references import LONGEST, MOST
from dicomweb.dimse.commit import ActionStatus
from dicomweb.dimse.contexts import COMMITMENT
from dicomweb.errand.queue import FIRST_PAUSE, LONGEST_PAUSE, PATIENCE
from healix_fhir.server.statement.table import lines, name, table

WHEN = {
    FailureReason.PROCESSING_FAILURE: "the instance is stored, but its bytes are missing or damaged in the archive",
    FailureReason.NO_SUCH_OBJECT_INSTANCE: "no instance of that UID is stored, or it was deleted",
    FailureReason.CLASS_INSTANCE_CONFLICT: "the instance is stored under another SOP class",
    FailureReason.DUPLICATE_TRANSACTION_UID: "the Transaction UID was used for other references, or by another peer",
}
"""Why a reference fails; a test holds it to be total."""


def commitment() -> str:
    """The section on storage commitment."""
    return lines(
        "#### Storage commitment",
        f"SCP of the {name(COMMITMENT)}. An N-ACTION of up to {MOST} references in {LONGEST >> 20} MB is answered with"
        " success once it is durable, else with one of these statuses:",
        table(("status", "meaning"), ((f"{one:04X}H", one.name.lower().replace("_", " ")) for one in ActionStatus)),
        "The outcome is told by N-EVENT-REPORT on an association that this server opens to the peer of the calling AE"
        " title, proposing itself as SCP by role selection, in Implicit VR Little Endian; never on the association of"
        " the request. It is looked up when the peer is called: an instance is committed when its rows are there and"
        " its file lies in the archive in its full length. Usually the peer is called within a second.",
        table(
            ("failure reason", "meaning", "when"),
            ((f"{one:04X}H", one.name.lower().replace("_", " "), WHEN[one]) for one in FailureReason),
        ),
        f"A report that the peer does not take is tried again after {FIRST_PAUSE:g} s and with pauses that double up"
        f" to {LONGEST_PAUSE:g} s, also after a restart, and given up after {PATIENCE}, which is audited"
        " (`healix errand list`). A request that is repeated word for word is one request and is answered again. A"
        f" Transaction UID is known as used for {KEPT}. Instances stay until they are deleted or their retention"
        " ends. Storage Media File-Set ID and UID are not heeded; Retrieve AE Title is that of this server.",
    )
