"""What the conformance statement says of DIMSE, from the tables that the DIMSE process runs on.

Spec: PS3.2 Annex N, network services (2024d)
"""

from __future__ import annotations

from dicomweb.dimse import getting, retrieving
from dicomweb.dimse.associate import APPLICATION_CONTEXT, IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION, Reject
from dicomweb.dimse.contexts import COMMITMENT, MODALITY_WORKLIST, SERVICES, TRANSFER_SYNTAXES, VERIFICATION
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.outgoing import FALLBACK
from dicomweb.dimse.peers import UNKNOWN_CALLER, Right
from dicomweb.dimse.propose import MOST_CONTEXTS
from dicomweb.dimse.query import CANCELLED, PENDING, PENDING_WITH_UNSUPPORTED_KEYS
from dicomweb.dimse.requestor import LONGEST_PDU, Patience
from dicomweb.dimse.storage_classes import CURRENT, STORAGE_CLASSES
from dicomweb.dimse.suboperations import RetrieveStatus
from dicomweb.non_patient.models import BY_CLASS, MODELS
from dicomweb.status import FIND_STATUS, REASON, SUCCESS, WHEN, Caution, Reason
from healix_fhir.kernel.errors import Category
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.statement.explained import documented
from healix_fhir.server.statement.table import lines, name, table


def classes() -> str:
    """Every SOP class that objects may have."""
    rows = (
        (name(uid), uid, "" if uid in CURRENT else "retired", "SCP", "store, search, retrieve, render")
        for uid in sorted(STORAGE_CLASSES)
    )
    others = ((name(uid), uid, "", "SCP", "store, search, retrieve") for uid in sorted(BY_CLASS))
    return lines(
        "### Content and transfer",
        "DICOMweb takes objects of every other SOP class too, private ones among them.",
        table(("SOP class", "UID", "", "DIMSE storage", "DICOMweb origin server"), (*rows, *others)),
    )


def services() -> str:
    """The section on DIMSE."""
    settings = Settings()
    stored = {*STORAGE_CLASSES, *BY_CLASS}
    others = sorted(uid for uid in SERVICES if uid not in stored and uid != VERIFICATION)
    offered = [("Verification", VERIFICATION, "SCP", SERVICES[VERIFICATION])]
    offered += [(name(uid), uid, "SCP", SERVICES[uid]) for uid in others]
    offered.append(("Storage", f"{len(STORAGE_CLASSES)} classes, see above", "SCP", Right.STORE))
    offered.append(("Non-Patient Object Storage", f"{len(BY_CLASS)} classes, see above", "SCP", Right.STORE))
    return "\n".join(
        [
            lines(
                "### DIMSE services",
                f"The application entity `HEALIX` listens on port {settings.dimse_port} and accepts associations. It"
                " initiates associations to known peers for what is said below.",
                table(("service", "SOP class", "role", "right of the peer"), offered),
            ),
            lines(
                "#### Association policies",
                table(
                    ("what", "value"),
                    [
                        ("application context", APPLICATION_CONTEXT),
                        ("implementation class UID", IMPLEMENTATION_CLASS),
                        ("implementation version name", IMPLEMENTATION_VERSION),
                        ("outstanding asynchronous operations", "1, also to who proposes more"),
                        ("role selection", "the requestor is SCU; also SCP of storage to get, of commitment to report"),
                        *((text, f"`{field}` = {value}") for field, value, text in _limits()),
                    ],
                ),
                "Who calls must be a known peer (`healix peer add`); others have the rights that"
                f" `HEALIX_DIMSE_UNKNOWN_CALLERS` gives, which is `{settings.dimse_unknown_callers}` by default:",
                table(
                    ("setting", "rights"),
                    ((word, ", ".join(sorted(rights)) or "none") for word, rights in UNKNOWN_CALLER.items()),
                ),
                "An association is rejected for these reasons (result, source, reason of PS3.8 Table 9-21):",
                table(
                    ("reason", "codes"),
                    ((one.name.lower().replace("_", " "), ", ".join(map(str, one.value))) for one in Reject),
                ),
            ),
            lines(
                "#### Presentation contexts",
                "Storage and verification are accepted with each of these transfer syntaxes, all else with Explicit"
                " and Implicit VR Little Endian. Where a context offers several, the first of this list is chosen;"
                " where the peer is only the SCP of storage, its own first one that objects are written in:",
                table(("transfer syntax", "UID"), ((name(uid), uid) for uid in TRANSFER_SYNTAXES)),
            ),
            lines(
                "#### Statuses of C-STORE",
                "Success is told when the object is durable and found by searches. Nothing of it is"
                " discarded (level 2, full), signatures stay as they are (level 3), nothing is coerced; who asks by"
                " extended negotiation is told so. `HEALIX_DIMSE_STORAGE_CLASSES` adds classes, e.g. private ones. The"
                " priority of a request is not heeded: each is served as it comes.",
                table(
                    ("status", "meaning", "when"),
                    [
                        (f"{SUCCESS:04X}H", "success", ""),
                        *((f"{one:04X}H", _words(one), WHEN[one]) for one in WHEN if one is not Caution.COERCION),
                        *((f"{one:04X}H", _words(one), _when(one)) for one in Reason),
                    ],
                ),
            ),
            _queries(),
            _non_patient(),
            _moves(),
            _gets(),
            _requested(),
        ]
    )


MARK = "<!-- From here on this page is made from the code by `make docs`. -->"


def limits() -> str:
    """The section on DIMSE of the page of limits."""
    return lines(
        "## DIMSE",
        "What peers may cost the DIMSE process, those on the port over TLS and those on the other together. Beyond"
        " these numbers associations are rejected as transient (2, 3, 2: local limit exceeded), connections and"
        " associations that take too long are ended. `HEALIX_DIMSE_MAX_ASSOCIATIONS` changes the first number, and with"
        " it the second, which is three quarters; `HEALIX_MAX_STORE_GB` the longest data set. `healix peer add"
        " … --associations N` says how many a peer may have at once, whatever its address; what is refused is in the"
        " audit trail, bounded as refused requests are.",
        table(("limit", "value"), ((text, f"`{field}` = {value}") for field, value, text in _limits())),
    )


def _queries() -> str:
    return lines(
        "#### Queries",
        "Keys are matched as by QIDO-RS: every attribute that is indexed there is a matching key, every other one of"
        " the objects a return key. Keys of a level below that of the query narrow it. Unless relational queries are"
        " agreed on, each level above needs one value of its unique key.",
        table(
            ("extended negotiation", "C-FIND", "C-MOVE, C-GET"),
            (
                ("relational queries or retrievals", "yes", "yes"),
                ("combined matching of dates and times", "yes", ""),
                ("fuzzy matching of names", "yes", ""),
                ("timezone query adjustment", "yes", ""),
                ("enhanced multi-frame image conversion", "no", "no"),
            ),
        ),
        "Answers are in the Specific Character Set of the request where it can say them, else in ISO_IR 192.",
        table(
            ("status of C-FIND", "meaning"),
            (
                (f"{PENDING:04X}H", "a match"),
                (f"{PENDING_WITH_UNSUPPORTED_KEYS:04X}H", "a match; some keys were not matched or are not returned"),
                (f"{SUCCESS:04X}H", "there are no more matches"),
                (f"{CANCELLED:04X}H", "the query was cancelled"),
                *(
                    (f"{status:04X}H", ", ".join(_words(one) for one, same in FIND_STATUS.items() if same == status))
                    for status in sorted({*FIND_STATUS.values()})
                ),
            ),
        ),
    )


def _non_patient() -> str:
    """Spec: PS3.4 GG.5.2, U.6.1.3, X.6.1.3, BB.6.1.3, HH.6.1.3, II.6.1.3 (2024d)"""
    return lines(
        "#### Hanging protocols, palettes, templates and protocols",
        "Objects of no patient are stored for good: until they are deleted over DICOMweb. Statuses are those of storage"
        " above. C-FIND matches the attributes of the model, and what is in the sequences among them, as DICOMweb does"
        " (see there); every other attribute but private and large ones is a return key, type 3 among them. Fuzzy"
        " matching of names is agreed on where it is proposed. C-MOVE and C-GET take a list of SOP Instance UIDs, and"
        " find those of the model; their sub-operations are of its storage classes. Statuses and character sets are"
        " those of images.",
        table(
            ("information model", "C-FIND", "C-MOVE", "C-GET"),
            ((model.name, model.find, model.move, model.get) for model in MODELS),
        ),
    )


def _gets() -> str:
    return lines(
        "#### C-GET",
        "Each object goes in the transfer syntax that it is stored in where the peer takes that, else in another one"
        " that it takes: uncompressed before compressed, without loss before with loss. Responses and statuses are"
        f" those of C-MOVE but {RetrieveStatus.DESTINATION_UNKNOWN:04X}H.",
    )


def _moves() -> str:
    return lines(
        "#### C-MOVE",
        "The move destination must be a known peer. Instances go over an association of their own to it, each in the"
        " transfer syntax that it is stored in where the destination takes that, else uncompressed, with the same"
        " pixels; more than an association has contexts for over several. The Move Originator fields are set. A pending"
        " response follows each sub-operation but the last; C-CANCEL is heard before each. The last response lists the"
        " instances that failed, as many as a UI has room for.",
        table(("status of C-MOVE", "meaning"), ((f"{one:04X}H", RETRIEVE[one]) for one in RetrieveStatus)),
    )


def _requested() -> str:
    """What this server is the SCU of."""
    patience = Patience()
    return lines(
        "#### Associations that this server opens",
        "To known peers, over TLS to those that are bound to it: for C-MOVE, routes, pushes and pulls of the operator"
        " (`healix peer push`, `pull`), storage commitment and notices. What a peer cannot do now is tried again for"
        " days, but for the sub-operations of a C-MOVE, which fail.",
        table(
            ("service", "SOP class", "role", "for"),
            (
                ("Verification", VERIFICATION, "SCU", "`healix peer echo`"),
                ("Storage", f"{len(STORAGE_CLASSES)} classes, see above, and private ones", "SCU", "C-MOVE, push"),
                (name(COMMITMENT), COMMITMENT, "SCU", "`healix peer push --commit`"),
                (name(retrieving.FIND), retrieving.FIND, "SCU", "`healix peer find`"),
                (name(MODALITY_WORKLIST), MODALITY_WORKLIST, "SCU", "`healix peer find --level worklist`"),
                (name(retrieving.MOVE), retrieving.MOVE, "SCU", "`healix peer pull`"),
                (name(getting.GET), getting.GET, "SCU", "`healix peer pull --method get`"),
                ("Storage", f"{len(STORAGE_CLASSES)} classes, see above, and private ones", "SCP", "C-GET"),
            ),
        ),
        "For each SOP class of what is sent there is a context for each transfer syntax that it is stored in, alone,"
        f" and one for {' and '.join(name(uid) for uid in FALLBACK)}; at most {MOST_CONTEXTS} on one association."
        " For C-GET there is one for each SOP class of storage, with the transfer syntaxes in use, over as many"
        " associations as it needs."
        " Queries and retrievals are hierarchical, in Explicit or Implicit VR Little Endian. One operation at a time is"
        f" outstanding, of medium priority; of low priority where priors are fetched, and of that of the request where"
        f" C-MOVE or C-GET sends. The longest PDU is {LONGEST_PDU} bytes. The peer is waited for"
        f" {patience.connect:g} s to connect, {patience.associate:g} s to answer the request for the association,"
        f" {patience.answer:g} s for a response and {patience.progress:g} s for a PDU that has begun.",
    )


RETRIEVE = {
    RetrieveStatus.SUCCESS: "all arrived, or there is nothing that matches",
    RetrieveStatus.CANNOT_COUNT: "the database is not available, or more is asked for than is sent at once",
    RetrieveStatus.CANNOT_SEND: "all sub-operations failed, or the server is out of resources",
    RetrieveStatus.DESTINATION_UNKNOWN: "the move destination is no known peer",
    RetrieveStatus.DOES_NOT_MATCH: "the identifier does not suit the SOP class",
    RetrieveStatus.WARNING: "some sub-operations failed, or had warnings",
    RetrieveStatus.CANCELLED: "the request was cancelled",
    RetrieveStatus.PENDING: "sub-operations are going on",
}


def _words(reason: Reason | Caution | Category) -> str:
    return reason.name.lower().replace("_", " ")


def _when(reason: Reason) -> str:
    """The categories of refusal that are told so."""
    return ", ".join(category.name.lower().replace("_", " ") for category, one in REASON.items() if one is reason)


def _limits() -> list[tuple[str, object, str]]:
    return documented(Limits)
