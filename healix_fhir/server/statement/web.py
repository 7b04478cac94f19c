"""What the conformance statement says of DICOMweb, from the tables that the web processes run on.

Spec: PS3.2 Annex N, DICOM web services (2024d)
"""

from __future__ import annotations

from dicomweb.api.accept import FRAME_TYPE
from dicomweb.api.capabilities.table import BASE
from dicomweb.api.capabilities.table import table as transactions
from dicomweb.api.multipart import PART_LIMIT
from dicomweb.dicomjson.syntax import NATIVE
from dicomweb.index.attributes import BY_KEYWORD, Matching
from dicomweb.non_patient.models import MODELS
from dicomweb.pixel.syntaxes import COMPRESSED, LARGEST, WRITTEN
from dicomweb.routing.stow import HOPS, LATER, TAKEN, WEIGHT
from dicomweb.status import WHEN, Reason
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.statement.table import lines, name, table

MATCHED = {
    Matching.UID: "single value, list of UIDs",
    Matching.TEXT: "single value, wildcard",
    Matching.NAME: "single value, wildcard, fuzzy; without regard to case and accents, in each component group",
    Matching.DATE: "single value, range",
    Matching.NUMBER: "single value",
    Matching.MEMBER: "single value, wildcard, list, of any of several values",
    Matching.NONE: "returned only",
}


def services() -> str:
    """The section on DICOMweb."""
    rows = [
        (one.name, f"`{method} {address}`", one.clause or "-", "<br>".join(one.takes), "<br>".join(one.gives[:6]))
        for (method, address), one in transactions().items()
    ]
    return "\n".join(
        [
            lines(
                "### DICOM web services",
                f"The origin server is at `{BASE}`; as user agent this server stores, see below. What each method"
                f" takes and gives is also told by the running server (`OPTIONS {BASE}`, `GET {BASE}/capabilities`;"
                " PS3.18 8.9). Of the media types of an answer the first six are listed, the default first.",
                table(("transaction", "method and address", "PS3.18", "takes", "gives"), rows),
            ),
            lines(
                "#### Parameters",
                "A parameter that is not listed is ignored and named in a Warning header, 299; a value that is none is"
                " refused, 400. Every transaction knows `accept` and `charset`.",
                table(("transaction", "parameters"), _parameters()),
            ),
            _attributes(),
            _non_patient(),
            _store(),
            lines(
                "#### Statuses",
                table(
                    ("transaction", "success", "refusal"),
                    (
                        (one.name, ", ".join(map(str, one.done)), ", ".join(map(str, one.refused)))
                        for one in transactions().values()
                    ),
                ),
            ),
            _agent(),
        ]
    )


def _agent() -> str:
    """What is sent to other servers. Spec: PS3.2 N.7.3.3.2, the Store Transaction as user agent (2024d)"""
    return lines(
        "#### As user agent",
        "`healix route` sends what comes in to another origin server by Store Instances (PS3.18 10.5): instances as"
        f" they are stored, as `application/dicom` in `multipart/related`, up to {WEIGHT >> 20} MB a request, with a"
        " bearer token where one is set; never to a server that they came through (`Via`), nor through more than"
        f" {HOPS}."
        " TLS with a valid certificate, and no address of a private network, unless the route allows it.",
        table(
            ("status", "behavior"),
            [
                (
                    ", ".join(map(str, TAKEN)),
                    "each instance is done or refused as the answer says; with A7xxH all are sent again later",
                ),
                (", ".join(map(str, LATER)), "sent again later"),
                ("any other", "refused for good, and named by `healix errand list`"),
            ],
        ),
    )


def _parameters() -> list[tuple[str, str]]:
    found = []
    for one in transactions().values():
        apart = one.clause.startswith("12.")  # these have attributes of their own
        named = [f"`{word}`" for word in one.parameters if apart or word not in BY_KEYWORD]
        if len(named) < len(one.parameters):
            named.append("the attributes below, by keyword or tag")
        if named:
            found.append((one.name, ", ".join(named)))
    return found


def _attributes() -> str:
    return lines(
        "#### Attributes of searches",
        "An attribute that is not here is refused by name, never ignored. A sequence's attribute is written"
        " `Sequence.Attribute`.",
        table(
            ("level", "attribute", "tag", "VR", "matching", "returned"),
            (
                (
                    one.level.name.lower(),
                    keyword,
                    f"({one.key[:4]},{one.key[4:]})",
                    one.vr,
                    MATCHED.get(one.matching, one.matching.value),
                    "always" if one.default else "when asked for",
                )
                for keyword, one in BY_KEYWORD.items()
            ),
        ),
    )


def _non_patient() -> str:
    """What is of no patient. Spec: PS3.18 12.2 (2024d)"""
    rows = (
        (f"`/{model.word}`", model.name, "<br>".join(name(uid) for uid in sorted(model.classes)),
         ", ".join(model.attributes.values()))
        for model in MODELS
    )  # fmt: skip
    return lines(
        "#### Non-patient instances",
        "Hanging protocols, palettes, templates and protocols (PS3.18 12) are searched by the attributes of their"
        " models, and by what is in the sequences among them (`Sequence.Attribute`), all keys of one sequence in the"
        " same item: single value, wildcard, list of UIDs, range of dates, times and moments, and names also fuzzily."
        " A range of InstanceCreationDate and one of InstanceCreationTime are one of moments. Told of each match are"
        " the attributes of its model, and what `includefield` names. Objects are kept until they are deleted. An"
        " object of another category, or of a patient, is refused with 0122H, as are these at `/studies`, where a"
        " Warning header says where they belong. Protocol approvals are where CP-2551 has them. Inventories are not"
        " kept. System scopes on `ImagingStudy` open all of it, clinicians' user scopes searches and retrievals.",
        table(("resource", "information model", "SOP classes", "attributes"), rows),
    )


def _store() -> str:
    return lines(
        "#### Storing",
        "Parts are streamed and each is judged by itself. A request is at most"
        f" {Settings().max_store_gb} GB in at most {PART_LIMIT} parts. Failure Reason (0008,1197) is one of these;"
        " a Warning header, 299, says it in words, each reason with how many objects it meets and the first of them:",
        table(("code", "meaning"), ((f"{one:04X}H", one.name.lower().replace("_", " ")) for one in Reason)),
        "Warning Reason (0008,1196) of an instance that was accepted all the same, with which the answer is 202:",
        table(
            ("code", "meaning", "when"),
            ((f"{one:04X}H", one.name.lower().replace("_", " "), when) for one, when in WHEN.items()),
        ),
    )


def syntaxes() -> str:
    """The section on transfer syntaxes."""
    rows = [
        (name(uid), uid, "uncompressed", "read, written" if uid in WRITTEN else "read", "application/octet-stream")
        for uid in sorted(NATIVE)
    ]
    rows += [
        (
            name(uid),
            uid,
            "lossless" if kind.lossless else "lossy",
            "read, written" if kind.written else "read",
            FRAME_TYPE.get(uid, "application/octet-stream"),
        )
        for uid, kind in COMPRESSED.items()
    ]
    return lines(
        "## Transfer syntaxes",
        f"Objects go out as they came in, or rewritten on request (up to {LARGEST >> 20} MB uncompressed). Objects in"
        " other syntaxes than these are stored and served as they are.",
        table(("transfer syntax", "UID", "kind", "pixels are", "media type of a frame"), rows),
    )
