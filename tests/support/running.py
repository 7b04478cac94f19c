"""The processor time that a process has had."""

from __future__ import annotations

from pathlib import Path


def running(process: int) -> int:
    """Nanoseconds that the only thread of a process ran on a processor.

    Spec: Linux, docs.kernel.org/scheduler/sched-stats.html (/proc/PID/schedstat)
    """
    return int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[0])
