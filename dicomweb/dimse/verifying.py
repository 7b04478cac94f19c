"""C-ECHO as its SCU: whether a peer is there and talks to us.

Spec: PS3.4 A.4, PS3.7 9.1.5 (2024d)
"""

from __future__ import annotations

from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.contexts import VERIFICATION
from dicomweb.dimse.identifier import SYNTAXES
from dicomweb.dimse.requestor import Patience, Remote, associate
from dicomweb.dimse.retrieving import refused
from dicomweb.status import SUCCESS


def verify(remote: Remote, patience: Patience | None = None) -> None:
    """Ask a peer for an echo. Raises PeerError, and Unprocessable when it answers anything but success."""
    with associate(remote, [(VERIFICATION, SYNTAXES)], patience=patience) as requestor:
        request: Command = {Element.AffectedSOPClassUID: VERIFICATION, Element.CommandField: CommandField.C_ECHO_RQ}
        response = requestor.ask(requestor.needed(VERIFICATION), request)
        if response.status != SUCCESS:
            raise refused(remote, response)
