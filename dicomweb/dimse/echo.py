"""C-ECHO: the verification service.

Spec: PS3.4 A.4, PS3.7 9.1.5 (2024d)
"""

from __future__ import annotations

from dicomweb.dimse.associate import Context
from dicomweb.dimse.command import Command, Element, response
from dicomweb.dimse.contexts import VERIFICATION
from dicomweb.dimse.operation import Answer, Operation, Status


def echo(command: Command, context: Context) -> Operation:
    """Success, when the request and its presentation context are of the verification class."""
    if {command.get(Element.AffectedSOPClassUID), context.abstract_syntax} != {VERIFICATION}:
        return Answer(response(command, Status.SOP_CLASS_NOT_SUPPORTED, "not the verification SOP class"))
    return Answer(response(command, Status.SUCCESS))
