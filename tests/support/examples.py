"""How many examples tests of properties look at: some in each run of the suite, the same each time, and more by `make
fuzz`.
"""

from __future__ import annotations

import os

TIMES = int(os.environ.get("HEALIX_EXAMPLES_TIMES", "1"))


def examples(count: int) -> int:
    """So many, or a multiple of it where that is asked for."""
    return count * TIMES
