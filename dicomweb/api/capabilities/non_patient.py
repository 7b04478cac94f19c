"""The rows of the capabilities document for the service of non-patient instances.

Spec: PS3.18 12 and Table 12.3-1 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator

from dicomweb.api.accept import DICOM, DICOM_JSON, DICOM_XML, JSON, MULTIPART, OCTETS
from dicomweb.api.capabilities.transaction import Transaction
from dicomweb.api.stow import KINDS
from dicomweb.non_patient.models import WORDS, of_word

MODELS = (DICOM_JSON, JSON, f'{MULTIPART}; type="{DICOM_XML}"')
FILES = (DICOM, f'{MULTIPART}; type="{DICOM}"')
SENT = (*(f'{MULTIPART}; type="{kind}"' for kind in KINDS), *KINDS)
REFUSED = (400, 401, 403, 429, 503)
FINDING = tuple(sorted({*REFUSED, 406}))
READING = tuple(sorted({*FINDING, 404, 416}))
STORING = tuple(sorted({*FINDING, 409, 413, 415, 507}))
REMOVING = tuple(sorted({*REFUSED, 404}))
SEARCHES: dict[str, tuple[str, ...]] = {
    "limit": (),
    "offset": (),
    "fuzzymatching": ("true", "false"),
    "includefield": ("all",),
}


def searched(word: str) -> dict[str, tuple[str, ...]]:
    """The attributes of the models that are searched by, those in their sequences aside, and what steers it."""
    found = (name for model in of_word(word) for name in model.attributes.values() if not name.endswith("Sequence"))
    return dict.fromkeys(sorted({*found}), ()) | SEARCHES


def rows() -> Iterator[tuple[tuple[str, str], Transaction]]:
    """By method and address below the base."""
    for word in WORDS:
        name = word.replace("-", " ").title()
        one = f"/{word}/{{uid}}"
        yield (
            ("GET", f"/{word}"),
            Transaction(f"Search for {name}", "12.6", MODELS, (), searched(word), (200,), FINDING),
        )
        yield ("GET", one), Transaction(f"Retrieve {name}", "12.4", (*MODELS, *FILES), (), {}, (200, 206, 304), READING)
        yield (
            ("GET", f"{one}/bulkdata/{{path}}"),
            Transaction(
                f"Retrieve {name} Bulkdata", "12.4", (f'{MULTIPART}; type="{OCTETS}"', OCTETS), (), {},
                (200, 206, 304), READING,
            ),
        )  # fmt: skip
        for address, which in ((f"/{word}", name), (one, f"{name} Instance")):
            yield (
                ("POST", address),
                Transaction(f"Store {which}", "12.5", (DICOM_JSON, DICOM_XML), SENT, {}, (200, 202), STORING),
            )
        yield ("DELETE", one), Transaction(f"Delete {name}", "", done=(204,), refused=REMOVING)
