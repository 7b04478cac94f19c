"""What the conformance statement says of what this server does at other systems by itself.

Spec: PS3.2 N.5.2 (2024d)
"""

from __future__ import annotations

from dicomweb.commitment import sought
from dicomweb.commitment.asked import KEPT
from dicomweb.commitment.judge import FailureReason
from dicomweb.commitment.references import LONGEST, MOST
from dicomweb.dimse.commit import ActionStatus
from dicomweb.dimse.commitment_outcome import ReportStatus
from dicomweb.dimse.commitment_request import MOMENT
from dicomweb.dimse.contexts import COMMITMENT
from dicomweb.dimse.fetch import MOST_ANSWERS
from dicomweb.dimse.notice import INSTANCE_AVAILABILITY
from dicomweb.dimse.pushing import BATCH
from dicomweb.dimse.retrieving import FIND, MOVE
from dicomweb.dimse.ups import EVENT
from dicomweb.errand.queue import FIRST_PAUSE, LONGEST_PAUSE, PATIENCE
from healix_fhir.server.statement.table import lines, name, table

WHEN = {
    FailureReason.PROCESSING_FAILURE: "the instance is stored, but its bytes are missing or damaged in the archive",
    FailureReason.NO_SUCH_OBJECT_INSTANCE: "no instance of that UID is stored, or it was deleted",
    FailureReason.CLASS_INSTANCE_CONFLICT: "the instance is stored under another SOP class",
    FailureReason.DUPLICATE_TRANSACTION_UID: "the Transaction UID was used for other references, or by another peer",
}
"""Why a reference fails; a test holds it to be total."""

WHY = {
    ReportStatus.PROCESSING_FAILURE: "the database is not available",
    ReportStatus.NO_SUCH_SOP_INSTANCE: "not the well-known instance",
    ReportStatus.NO_SUCH_EVENT_TYPE: "the event type is neither 1 nor 2",
    ReportStatus.INVALID_ARGUMENT_VALUE: "this peer was not asked for that transaction, or the data set cannot be read",
    ReportStatus.NO_SUCH_SOP_CLASS: "not the SOP class of its presentation context",
    ReportStatus.RESOURCE_LIMITATION: "the data set is too long",
}
"""Why a report is not taken; a test holds it to be total."""


INITIATED = (
    (EVENT, "SCP, by role selection", "tells a peer of the workitems that it has subscribed to (N-EVENT-REPORT)"),
    (COMMITMENT, "SCP, by role selection", "tells a peer what became of its request (N-EVENT-REPORT)"),
    (COMMITMENT, "SCU", "asks the peer of a push with `--commit` for what it has taken (N-ACTION)"),
    (INSTANCE_AVAILABILITY, "SCU", "tells the peer of a route with `--notice` what has come of a study (N-CREATE)"),
    (
        "",
        "SCU",
        "sends the images of a route to its peer (C-STORE), uncompressed where it does not take them as stored",
    ),
    (FIND, "SCU", "asks the peer of a prefetch rule for a patient's studies (C-FIND)"),
    (MOVE, "SCU", "has the peer of a prefetch rule send a study here (C-MOVE)"),
)
"""For what this server calls peers by itself; the class without a UID are those of storage."""


def initiated() -> str:
    """The section on associations that this server opens by itself."""
    return lines(
        "#### Associations that the server opens by itself",
        "Each is an errand, done by the job worker once it is due:",
        table(
            ("SOP class", "UID", "role", "for"),
            ((name(uid) if uid else "Storage", uid or "see above", role, why) for uid, role, why in INITIATED),
        ),
        "A study counts as complete for routes when no image has come for some seconds (`--quiet`). Of a peer's"
        f" answers to a query {MOST_ANSWERS} are looked at. What fails is tried again after {FIRST_PAUSE:g} s and with"
        f" pauses that double up to {LONGEST_PAUSE:g} s, and given up after {PATIENCE}.",
    )


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
        "SCU of it after a push with `--commit`: what the peer has taken is named in one N-ACTION for each part of the"
        f" push, at most {BATCH} instances, under a Transaction UID of its own (2.25 and a random UUID), in Implicit VR"
        f" Little Endian. The report is awaited for {MOMENT:g} s on the association of the request, and for"
        f" {sought.PATIENCE} on one that the peer opens to this server, as SCP by role selection, for which it needs"
        " to be a known peer with any right at all, or without role selection, for which it needs the right `commit`."
        " One that comes before the response to the N-ACTION counts, whatever that response is. A later report counts"
        f" as long as the transaction is known, {sought.KEPT}. An instance of the request that the report does not name"
        " is not committed. The first report of a transaction counts; one that is repeated is answered with success."
        " One that is not taken is answered with one of these statuses:",
        table(("status", "meaning"), ((f"{one:04X}H", WHY[one]) for one in ReportStatus)),
    )
