"""What the conformance statement says of de-identification, from the table that runs.

Spec: PS3.2 Annex N, security (2024d); PS3.15 E (2026c)
"""

from __future__ import annotations

from collections import Counter

from dicomweb.deidentify.options import BASIC, FACES, Option
from dicomweb.deidentify.report import EDITION
from dicomweb.deidentify.table import UNTYPED, rows
from healix_fhir.server.statement.table import lines, table

TEXT = f"""Objects are de-identified for export and for research tokens, as an application of the Basic Application
Level Confidentiality Profile (PS3.15 E.2, edition {EDITION}) with the options that a project chooses. Clean
Recognizable Visual Features (`{FACES}`) is refused. UIDs, pseudonyms and shifts of dates are
keyed hashes of what they replace, the same in all objects of a project; nothing maps them back. An image that may have
text in its pixels is refused unless a rule of the project says where, or that there is none. What compressed frames and
videos say beside their pictures is overwritten where it stands, and of colour profiles the colours stay; what cannot be
looked through is refused, and so is sound unless the project keeps what may be burned in. A value that an option
retains is replaced where a name or identifier of the object is in it. Single objects are de-identified for requests of
the URI service with `anonymize=yes`, with Clean Pixel Data, by the key and the rules of the project `anonymize`."""
CONDITIONAL = """A conditional action is decided by the Type of the attribute in the IOD, at the root of an object.
Where that is not known, and in items, it is this one:"""


def de_identification() -> str:
    """The section."""
    found = rows().values()
    options = [
        (option.code, option.meaning, f"`{option.value}`", _counted(Counter(one.options.get(option) for one in found)))
        for option in Option
    ]
    profile = (*BASIC, "always", _counted(Counter(one.basic for one in found)))
    return "\n".join(
        [
            lines(
                "## De-identification",
                TEXT,
                table(("code", "meaning", "chosen by", "attributes by action"), (profile, *options)),
            ),
            lines(CONDITIONAL, table(("action of the table", "taken"), ((a, _taken(b)) for a, b in UNTYPED.items()))),
        ]
    )


def _counted(actions: Counter[str | None]) -> str:
    known = {action: count for action, count in actions.items() if action}
    return ", ".join(f"{action} {count}" for action, count in sorted(known.items())) or "pixels, by rule"


def _taken(action: str) -> str:
    return "kept, with its UIDs replaced" if action == "C" else action
