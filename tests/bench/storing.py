"""CT images on their way into a server: how many objects a second it takes from so many senders at once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import generate_uid

from tests.bench.dimse_servers import ENVIRONMENT, Target
from tests.support.ct import ct_image
from tests.support.tools import require_tool

LARGE, SMALL = 512, 140
"""Pixels of the side of images of 526 kB and of 39 kB."""


@dataclass(frozen=True)
class Load:
    """What is sent: a folder of images for each association, `each` of them, all of one new study."""

    paths: Sequence[Path]
    each: int

    @property
    def count(self) -> int:
        """All images."""
        return self.each * len(self.paths)


def load(directory: Path, associations: int, *, each: int, side: int) -> Load:
    """Write a new study."""
    study = generate_uid(prefix=None)
    paths = [directory / f"{study}.{number}" for number in range(associations)]
    for number, path in enumerate(paths):
        path.mkdir()
        for image in range(each):
            ct_image(path / f"{image}.dcm", study=study, series=f"{study}.{number}", number=image, side=side)
    return Load(paths, each)


def seconds(target: Target, sent: Load, environment: Mapping[str, str] = ENVIRONMENT) -> float:
    """How long one storescu for each folder takes, all at once."""
    command = [require_tool("storescu"), "-aec", target.aet, "-xe", "+sd", "127.0.0.1", str(target.port)]
    started = time.monotonic()
    senders = [subprocess.Popen([*command, path], env=environment, stderr=subprocess.DEVNULL) for path in sent.paths]
    assert [sender.wait() for sender in senders] == [0] * len(senders)
    return time.monotonic() - started
