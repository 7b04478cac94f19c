"""SOP classes of the standard that are services, of which no objects are stored.

Of a class that is not listed objects are taken: it may be one of a maker, or of a later edition.
Spec: PS3.6 Table A-1 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator

ROOT = "1.2.840.10008."
FIND_MOVE_GET = (2, 3, 4)


def _below(arc: str, *numbers: int) -> Iterator[str]:
    """How the UIDs at these numbers below an arc of the standard begin, when a dot is written behind them."""
    return (f"{ROOT}{arc}.{number}." for number in numbers)


SERVICES = (
    f"{ROOT}1.",  # verification, directories, notification, storage commitment
    *_below("3", 1),  # performed procedure steps
    *_below("5.1.1", 1, 2, 4, 9, 14, 15, 16, 18, 22, 23, 24, 26, 31, 32, 33, 40),  # print management, media creation
    *_below("5.1.4.1", 2),  # query and retrieve
    *_below("5.1.4.1.1.200", 4, 5, 6),  # protocol approvals
    *_below("5.1.4.1.1.201", 2, 3, 4, 5, 6),  # inventories
    *_below("5.1.4", 20, 31, 32, 33, 37, 41, 42),  # protocols, worklists, availability, patients, products, substances
    *_below("5.1.4.34", 2, 3, 4, 5, 6, 8, 9),  # machine verification, unified procedure steps
    *_below("5.1.4.38", *FIND_MOVE_GET),  # hanging protocols
    *_below("5.1.4.39", *FIND_MOVE_GET),  # colour palettes
    *_below("5.1.4.43", *FIND_MOVE_GET),  # implant templates, their assemblies and groups
    *_below("5.1.4.44", *FIND_MOVE_GET),
    *_below("5.1.4.45", *FIND_MOVE_GET),
    f"{ROOT}10.",  # real-time communication
)
"""How the UIDs of services begin, when a dot is written behind them."""


def is_service(SOPClassUID: str) -> bool:  # noqa: N803 - a DICOM keyword
    """Whether a SOP class is a service of the standard, of which no objects are stored."""
    return f"{SOPClassUID}.".startswith(SERVICES)
