"""What the conformance statement says of how a server is set up, and of connections that fail.

Spec: PS3.2 N.6, N.7.2.1.2 and N.7.3.1 (2024d)
"""

from __future__ import annotations

from dicomweb.dimse.associate import OUR_TITLE
from dicomweb.dimse.requestor import Patience
from dicomweb.errand.queue import FIRST_PAUSE, LONGEST_PAUSE, PATIENCE
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.statement.explained import documented
from healix_fhir.server.statement.table import lines, table

SETTINGS = (
    "host", "port", "base_url", "dimse_port", "dimse_tls_port", "dimse_tls_certificate", "dimse_tls_key",
    "dimse_tls_ca", "dimse_tls_mutual", "dimse_unknown_callers", "dimse_storage_classes", "dimse_max_associations",
    "max_store_gb", "duplicates", "compare_sop_classes", "deleted_studies_kept", "workitem_days", "dicom_attributes",
    "time_zone",
)  # fmt: skip
"""What changes how this server is as a DICOM system."""
LATER = (
    f"tried again after {FIRST_PAUSE:g} s and with pauses that double up to {LONGEST_PAUSE:g} s, given up after"
    f" {PATIENCE}, and named by `healix errand list`; the operator's commands say it at once"
)
INITIATOR = (
    ("the peer cannot be reached, or the network is lost", f"the errand is {LATER}"),
    ("a time below has passed", "the association is aborted (A-ABORT) and the errand tried again in the same way"),
    ("the association is rejected or aborted", "the errand is tried again in the same way"),
    ("no presentation context is accepted that is needed", "what needs it is refused for good, and named"),
)
ACCEPTOR = (
    ("the network is lost, or the peer aborts", "what was not acknowledged is discarded; what was stays"),
    ("a time of the association policies has passed", "A-ABORT of the service provider, and the connection is closed"),
    ("a PDU is malformed, too long or not expected", "A-ABORT with the reason of PS3.8 Table 9-26"),
    ("the server is at its limits", "the association is rejected as transient"),
)
"""What happens, by what fails. Spec: PS3.2 Tables N.7-8 and N.7-9 (2024d)"""


def configuration() -> str:
    """The section on how a server is set up."""
    explained = {name: (default, text) for name, default, text in documented(Settings)}
    return lines(
        "## Configuration",
        f"The AE title of this server is `{OUR_TITLE}`. Peers are entered with AE title, host, port and rights"
        " (`healix peer add`, or by administrators in the browser); nothing is"
        " configured by LDAP. All else is set by environment variables, of which these matter here:",
        table(
            ("variable", "default", "meaning"),
            ((f"`HEALIX_{one.upper()}`", f"`{_shown(explained[one][0])}`", explained[one][1]) for one in SETTINGS),
        ),
    )


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def failures() -> str:
    """The section on connections that fail."""
    return lines(
        "### Communication failures",
        "As initiator of an association or of a request by STOW-RS:",
        table(("failure", "behavior"), INITIATOR),
        "How long a peer that is called is waited for, in seconds:",
        table(("what", "value"), ((text, f"`{name}` = {default}") for name, default, text in documented(Patience))),
        "As acceptor:",
        table(("failure", "behavior"), ACCEPTOR),
    )
