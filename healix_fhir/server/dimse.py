"""The DIMSE process."""

from __future__ import annotations

import signal
import threading

from healix_fhir.kernel.settings import Settings
from healix_fhir.server.processes import end_with_parent, using_database


def run(settings: Settings, *, parent: int | None) -> None:
    """Serve associations until SIGTERM, then let those under way finish."""
    from dicomweb.dimse import scp
    from healix_fhir.imaging.workitems import find_patient

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    end_with_parent(parent)
    with using_database(settings, child=parent is not None) as connected:
        scp.run(connected, stop, find_patient)
