"""The DIMSE process."""

from __future__ import annotations

import threading

from healix_fhir.kernel.settings import Settings
from healix_fhir.kernel.tracing import exporting, tracing
from healix_fhir.server.processes import collect_less, stop_on_signals, using_database
from healix_fhir.server.shared_counters import count_as_this_process


def run(settings: Settings, *, child: bool = False) -> None:
    """Serve associations until SIGTERM, then let those under way finish."""
    from dicomweb.dimse import scp
    from healix_fhir.imaging.workitems import find_patient
    from healix_fhir.server.telemetry import standby_counter

    stop = threading.Event()
    stop_on_signals(stop)
    collect_less()
    with using_database(settings, child=child) as connected, tracing(exporting(settings)):
        if child and connected.database_replica_url:
            count_as_this_process()
            scp.run(connected, stop, find_patient, standby_counter())
        else:  # alone it has no page of metrics
            scp.run(connected, stop, find_patient)
