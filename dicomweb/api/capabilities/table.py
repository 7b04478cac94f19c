"""Every method of every DICOMweb address with its transaction, its media types and its parameters.

What can be counted is taken from the tables that run: the attributes of the index, the pictures that are drawn, the
transfer syntaxes that are written. A test compares the addresses with the routes.

Spec: PS3.18 Table H-1; 10.4.1, 10.5.1, 10.6.1 and 9 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dicomweb.api.accept import DEFAULT_SYNTAX, DICOM, DICOM_JSON, DICOM_XML, FRAME_TYPE, JSON, MULTIPART, OCTETS, ZIP
from dicomweb.api.capabilities import committing, non_patient, worklist
from dicomweb.api.capabilities.transaction import Transaction
from dicomweb.api.forms import HTML, MP4, PLAIN, XML
from dicomweb.api.look import ANNOTATIONS, FUNCTION, ICC_PROFILES
from dicomweb.api.stow import KINDS
from dicomweb.api.table import CSV
from dicomweb.api.values import DOCUMENTS
from dicomweb.api.wado_uri import ANONYMIZE, YES
from dicomweb.api.wado_uri import PARAMETERS as URI_PARAMETERS
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE
from dicomweb.index.attributes import BY_KEYWORD, Level, Matching
from dicomweb.pixel.rendering import TYPES
from dicomweb.pixel.syntaxes import COMPRESSED, WRITTEN
from dicomweb.status import HTTP
from healix_fhir.kernel.errors import Category

BASE = "/dicomweb"
STUDY = "/studies/{study}"
SERIES = f"{STUDY}/series/{{series}}"
INSTANCE = f"{SERIES}/instances/{{instance}}"
FRAMES = f"{INSTANCE}/frames/{{frames}}"
LEVELS = {"Study": STUDY, "Series": SERIES, "Instance": INSTANCE}

Table = Mapping[tuple[str, str], Transaction]
"""By method and address below the base."""


def related(kind: str, syntax: str = "") -> str:
    """The media type of a multipart of `kind`."""
    return f'{MULTIPART}; type="{kind}"' + (f"; transfer-syntax={syntax}" if syntax else "")


def _statuses(*categories: Category) -> tuple[int, ...]:
    always = (Category.INVALID, Category.UNAUTHENTICATED, Category.FORBIDDEN, Category.BUSY, Category.UNAVAILABLE)
    return tuple(sorted({HTTP[one] for one in (*always, *categories)}))


REWRITTEN = (*sorted(WRITTEN), *(syntax for syntax, kind in COMPRESSED.items() if kind.written))
"""The transfer syntaxes that objects are written in when they are asked for."""
OBJECTS = (related(DICOM), related(DICOM, "*"), DICOM, ZIP, *(related(DICOM, syntax) for syntax in REWRITTEN))
MODELS = (DICOM_JSON, JSON, related(DICOM_XML))
FRAMES_AS = (
    related(OCTETS, EXPLICIT_LITTLE),
    *(related(kind, syntax) for syntax, kind in FRAME_TYPE.items()),
    *DEFAULT_SYNTAX,
    OCTETS,
)
PICTURES = (*TYPES, *map(related, TYPES))
SHOWN = (*PICTURES, HTML, PLAIN, MP4, *sorted(DOCUMENTS - {*TYPES}), related(HTML), related(PLAIN), related(XML))
"""In which forms images, reports, videos and documents are shown."""
LOOKS = {
    "window": tuple(FUNCTION),
    "viewport": (),
    "quality": (),
    "annotation": tuple(ANNOTATIONS),
    "iccprofile": ICC_PROFILES,
}
BOOLEAN = ("true", "false")
SEARCHES = {
    "limit": (),
    "offset": (),
    "fuzzymatching": BOOLEAN,
    "emptyvaluematching": BOOLEAN,
    "multiplevaluematching": BOOLEAN,
    "orderby": (),
    "includefield": ("all",),
}
KEPT = (200, 206, 304)
"""Of what has a tag and comes in ranges, or in part where some of it cannot be served as asked."""
ATTRIBUTES = _statuses(Category.NOT_FOUND, Category.GONE, Category.NOT_ACCEPTABLE)
RETRIEVING = tuple(sorted({*ATTRIBUTES, 416}))
SHOWING = _statuses(Category.NOT_FOUND, Category.GONE, Category.NOT_ACCEPTABLE, Category.TOO_LARGE)
UNNAMED = _statuses(
    Category.NOT_FOUND, Category.GONE, Category.NOT_ACCEPTABLE, Category.TOO_LARGE, Category.UNPROCESSABLE
)
"""Of what may be asked for without identities, too."""
DELETING = _statuses(Category.NOT_FOUND, Category.GONE, Category.CONFLICT)
SEARCHING = _statuses(Category.NOT_ACCEPTABLE)
STORING = _statuses(
    Category.CONFLICT, Category.TOO_LARGE, Category.UNSUPPORTED_MEDIA, Category.NOT_ACCEPTABLE, Category.FULL
)


def searched(level: Level) -> dict[str, tuple[str, ...]]:
    """The parameters of a search at a level: the attributes that are matched, and what steers it."""
    matched = (
        keyword
        for keyword, attribute in BY_KEYWORD.items()
        if attribute.level <= level and attribute.matching is not Matching.NONE
    )
    return dict.fromkeys(matched, ()) | SEARCHES


def table() -> Table:
    """The whole table."""
    return dict(_rows()) | dict(worklist.rows()) | dict(committing.rows()) | dict(non_patient.rows())


SENT = (*map(related, KINDS), *KINDS)
"""What is stored: instances, or metadata with their bulk data; a lone one may be the body itself."""


def _rows() -> Iterator[tuple[tuple[str, str], Transaction]]:
    for address, level, name in (
        ("/studies", Level.STUDY, "Search for Studies"),
        (f"{STUDY}/series", Level.SERIES, "Search for Study Series"),
        (f"{STUDY}/instances", Level.INSTANCE, "Search for Study Instances"),
        (f"{SERIES}/instances", Level.INSTANCE, "Search for Study Series Instances"),
        ("/series", Level.SERIES, "Search for Series"),
        ("/instances", Level.INSTANCE, "Search for Instances"),
    ):
        yield ("GET", address), Transaction(name, "10.6", (*MODELS, CSV), (), searched(level), refused=SEARCHING)
        counted = name.replace("Search for", "Count")
        yield (
            ("GET", f"{address}/count"),
            Transaction(counted, "10.6", (JSON,), (), searched(level), refused=_statuses()),
        )
    for address, name in (("/studies", "Store Instances"), (STUDY, "Store Study Instances")):
        yield (
            ("POST", address),
            Transaction(name, "10.5", (DICOM_JSON, DICOM_XML, related(DICOM_XML)), SENT, {}, (200, 202), STORING),
        )
    for word, address in LEVELS.items():
        yield ("GET", address), Transaction(f"Retrieve {word}", "10.4.1.1.1", OBJECTS, done=KEPT, refused=RETRIEVING)
        yield (
            ("GET", f"{address}/metadata"),
            Transaction(
                f"Retrieve {word} Metadata",
                "10.4.1.1.2",
                MODELS,
                (),
                {"includefield": ("all",)},
                (200, 304),
                ATTRIBUTES,
            ),
        )
        yield (
            ("GET", f"{address}/bulkdata"),
            Transaction(f"Retrieve {word} Bulkdata", "10.4.1.1.5", (related(OCTETS),), done=KEPT, refused=RETRIEVING),
        )
        yield (
            ("GET", f"{address}/pixeldata"),
            Transaction(f"Retrieve {word} Pixel Data", "10.4.1.1.6", FRAMES_AS, done=KEPT, refused=RETRIEVING),
        )
        yield (
            ("DELETE", address),
            Transaction(f"Delete {word}", "", done=(204,), refused=DELETING),
        )
    for word, address in {**LEVELS, "Frames": FRAMES}.items():
        yield (
            ("GET", f"{address}/rendered"),
            Transaction(f"Retrieve Rendered {word}", "10.4.1.1.3", SHOWN, (), LOOKS, KEPT, SHOWING),
        )
        yield (
            ("GET", f"{address}/thumbnail"),
            Transaction(
                f"Retrieve {word} Thumbnail", "10.4.1.1.4", tuple(TYPES), (), {"viewport": ()}, (200, 304), SHOWING
            ),
        )
    for address, name in ((FRAMES, "Retrieve Frames"), (f"{FRAMES}/pixeldata", "Retrieve Frames Pixel Data")):
        yield ("GET", address), Transaction(name, "10.4.1.1.6", FRAMES_AS, done=KEPT, refused=RETRIEVING)
    yield (
        ("GET", f"{INSTANCE}/bulkdata/{{path}}"),
        Transaction("Retrieve Bulkdata", "10.4.1.1.5", (related(OCTETS), OCTETS), done=KEPT, refused=RETRIEVING),
    )
    uri = dict.fromkeys(sorted(URI_PARAMETERS), ()) | {
        "requestType": ("WADO",),
        ANONYMIZE: (YES,),
        "contentType": (*TYPES, HTML, PLAIN, XML, DICOM),
    }
    yield (
        ("GET", "/wado"),
        Transaction("Retrieve Instance by URI", "9", (*TYPES, HTML, PLAIN, XML, DICOM), (), uri, refused=UNNAMED),
    )
