"""The library that makes disk and clock fail for the processes that are started with it; see shim.c."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

MAKE, WRITE, SYNC, RENAME = 1, 2, 4, 8
_STATE = struct.Struct("@iil")


class Shim:
    """Fails calls on files below `failing`; built in `directory`. Raises OSError where there is no C compiler."""

    def __init__(self, directory: Path, failing: Path) -> None:
        library, state = directory / "shim.so", directory / "shim.state"
        compiler = shutil.which("cc")
        if compiler is None:
            raise FileNotFoundError("there is no C compiler")
        source = Path(__file__).with_name("shim.c")
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        state.write_bytes(bytes(_STATE.size))
        with state.open("r+b") as file:
            self._state = mmap.mmap(file.fileno(), _STATE.size)
        for path in (library, state):
            path.chmod(0o755)  # PostgreSQL is another user under root
        self.environment = {"LD_PRELOAD": str(library), "SHIM_STATE": str(state), "SHIM_DIR": str(failing)}

    def set(self, error: int = 0, calls: int = 0, seconds: int = 0) -> None:
        """Let `calls` fail with `error`, and the wall clock be `seconds` ahead; from now on, in every process."""
        self._state[:] = _STATE.pack(error, calls, seconds)
