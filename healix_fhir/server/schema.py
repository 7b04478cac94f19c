"""All tables of all rooms, for migrations."""

from __future__ import annotations

import dicomweb.dimse.peers
import dicomweb.index.tables  # noqa: F401
import healix_fhir.store.tables  # noqa: F401
import smart_auth.tables  # noqa: F401
from healix_fhir.kernel.database import metadata

__all__ = ["metadata"]
