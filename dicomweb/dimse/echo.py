"""C-ECHO: the verification service.

Spec: PS3.4 A.4, PS3.7 9.1.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable

from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, Element, response
from dicomweb.dimse.contexts import VERIFICATION
from dicomweb.dimse.operation import Answer, Operation, Service, Status
from healix_fhir.kernel.audit import AuditRow, Origin

SERVICE = "C-ECHO"


def echo(origin: Origin, audit: Callable[[AuditRow], None]) -> Service:
    """The service for one caller; `audit` records each request."""

    def verify(command: Command, context: Context) -> Operation:
        """Success, when the request and its presentation context are of the verification class."""
        if {command.get(Element.AffectedSOPClassUID), context.abstract_syntax} != {VERIFICATION}:
            audit(AuditRow(origin, "E", SERVICE, outcome=4))
            return Answer(response(command, Status.SOP_CLASS_NOT_SUPPORTED, "not the verification SOP class"))
        audit(AuditRow(origin, "E", SERVICE))
        return Answer(response(command, Status.SUCCESS))

    return verify
