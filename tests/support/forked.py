"""Commands of the operator's, each in a process of its own that begins where the imports have ended.

Importing takes longer than most commands do. So one process imports the program; what it is asked to run it forks.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LONGEST = 1 << 17
"""Bytes of a question: arguments and environment."""
NUMBER = struct.Struct("i")


def run(
    arguments: tuple[str, ...], *, stdin: str, env: Mapping[str, str], cwd: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` of `healix` would return with its output captured as text; raises TimeoutExpired, too."""
    command = ["healix", *arguments]
    question = json.dumps({"arguments": command, "environment": dict(env), "directory": str(cwd)}).encode()
    with ExitStack() as stack:
        standard = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        standard[0].write(stdin.encode())
        standard[0].seek(0)
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        try:
            socket.send_fds(_server(), [question], [*(file.fileno() for file in standard), writing])
        finally:
            os.close(writing)
        pid = NUMBER.unpack(os.read(reading, NUMBER.size))[0]
        if not select.select([reading], [], [], timeout)[0]:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(command, timeout)
        code = NUMBER.unpack(os.read(reading, NUMBER.size))[0]
        for file in standard[1:]:
            file.seek(0)
        out, err = (file.read().decode() for file in standard[1:])
        return subprocess.CompletedProcess(command, code, out, err)


@cache
def _server() -> socket.socket:
    """Where the process that forks is asked; it ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEALIX_")}
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=environment,
            cwd=ROOT,
        )
    atexit.register(_end, process, ours)
    return ours


def _end(process: subprocess.Popen[bytes], ours: socket.socket) -> None:
    with ours:
        ours.shutdown(socket.SHUT_RDWR)  # also for what this process has forked
    process.wait()


def _asked(control: socket.socket) -> dict[str, Any] | None:
    """In a process of its own, which has the standard files of the command, what is asked; None when all is over."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        question, descriptors, *_ = socket.recv_fds(control, LONGEST, 4)
        if not question:
            return None
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            status = descriptors.pop()
            pid = os.fork()
            if pid == 0:
                os.close(status)
                for standard, descriptor in enumerate(descriptors):
                    os.dup2(descriptor, standard)
                    os.close(descriptor)
                return dict(json.loads(question))
            os.write(status, NUMBER.pack(pid))
            os.write(status, NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    from healix_fhir.server.cli.main import main

    gc.freeze()
    asked = _asked(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        sys.argv, directory, environment = asked["arguments"], asked["directory"], asked["environment"]
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory)
        main()
