"""Which subscribers are called over DIMSE: the known peers among them that may use the worklist.

Where an AE is a subscriber it is told by all means that there are: on its channel (PS3.18 11.13), and by
N-EVENT-REPORT, whichever way it was subscribed. Calls are errands, tried for days; so long what is to be told stays.

Spec: PS3.4 CC.2.3.3 and CC.2.4.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.errand.queue import Kind, Wanted, ask
from healix_fhir.kernel.database import Statement, Work

ABOUT = "workitems"
"""What the errand is about: one for each peer, which knows how far it is."""
PEER = "FROM dimse_peer p WHERE p.aet = ANY(%s) AND (p.rights IS NULL OR 'ups' = ANY (p.rights))"
WAITING = f"""EXISTS (
  SELECT FROM errand c WHERE c.kind = '{Kind.EVENT}' AND c.about = '{ABOUT}' AND c.receiver = ANY (e.receivers)
  AND c.ended IS NULL AND c.after < e.seq)"""
"""Whether an event `e` has still to be told to a peer."""


def call(receivers: Sequence[str]) -> Work[None]:
    """Have those of the receivers of new events called that are peers."""
    rows = yield Statement(f"SELECT p.aet {PEER}", (list(receivers),))
    if rows:
        yield ask([Wanted(Kind.EVENT, aet, ABOUT) for (aet,) in rows])
