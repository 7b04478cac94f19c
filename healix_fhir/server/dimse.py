"""The DIMSE process."""

from __future__ import annotations

import threading

from healix_fhir.kernel.settings import Settings
from healix_fhir.kernel.tracing import exporting, tracing
from healix_fhir.server.processes import stop_on_signals, using_database


def run(settings: Settings, *, child: bool = False) -> None:
    """Serve associations until SIGTERM, then let those under way finish."""
    from dicomweb.dimse import scp
    from healix_fhir.imaging.workitems import find_patient

    stop = threading.Event()
    stop_on_signals(stop)
    with using_database(settings, child=child) as connected, tracing(exporting(settings)):
        scp.run(connected, stop, find_patient)
