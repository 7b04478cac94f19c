"""One web worker of Healix that records no reads by id: what the audit of reads costs is measured against it.

`python -m tests.bench.unaudited web …` takes what `healix web` takes.
"""

from __future__ import annotations

import re

from healix_fhir.server.cli.main import app
from healix_fhir.store import read

AUDITED = re.compile(r",\s+audited AS \(.*?AS p \(pat\) ON true.*?\)\nSELECT", re.DOTALL)

if __name__ == "__main__":
    read._READ, removed = AUDITED.subn("\nSELECT", read._READ)
    assert removed == 1
    app()
