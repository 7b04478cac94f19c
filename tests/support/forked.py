"""Commands of the operator's, each in a process of its own that begins where the imports have ended.

Importing takes longer than most commands do, and most of the processor time of starting a server. So one process
imports the program; what it is asked to run it forks.
"""

from __future__ import annotations

import atexit
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
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
LONGEST = 1 << 17
"""Bytes of a question: arguments and environment."""
NUMBER = struct.Struct("i")


class Process(Protocol):
    """What tests ask of a process: a part of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """Its exit code, the negative of the signal that ended it, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the same code. Raises TimeoutExpired."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, if it still runs."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""


@dataclass
class Forked:
    """A `Process` that was forked; `ending` tells its exit code when it has ended, and is closed then."""

    args: list[str]
    pid: int
    ending: int
    returncode: int | None = field(default=None, init=False)

    def poll(self) -> int | None:
        """As of `Process`."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """As of `Process`."""
        if self.returncode is None:
            if not select.select([self.ending], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = NUMBER.unpack(os.read(self.ending, NUMBER.size))[0]
            os.close(self.ending)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """As of `Process`."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        """As of `Process`."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As of `Process`."""
        self.send_signal(signal.SIGKILL)


def start(
    arguments: tuple[str, ...], *, env: Mapping[str, str], cwd: Path, stdin: int, stdout: int, stderr: int
) -> Forked:
    """Start `healix` with these files as its standard ones."""
    command = ["healix", *arguments]
    question = json.dumps({"arguments": command, "environment": dict(env), "directory": str(cwd)}).encode()
    reading, writing = os.pipe()
    try:
        socket.send_fds(_server(), [question], [stdin, stdout, stderr, writing])
    finally:
        os.close(writing)
    return Forked(command, NUMBER.unpack(os.read(reading, NUMBER.size))[0], reading)


def begin(arguments: tuple[str, ...], *, env: Mapping[str, str], cwd: Path = ROOT, log: Path | None = None) -> Forked:
    """Start `healix` with nothing to read, and what it writes at the end of `log`, or nowhere."""
    with Path(os.devnull).open("rb") as nothing, (log or Path(os.devnull)).open("ab") as output:
        to = output.fileno()
        return start(arguments, env=env, cwd=cwd, stdin=nothing.fileno(), stdout=to, stderr=to)


def run(
    arguments: tuple[str, ...], *, stdin: str, env: Mapping[str, str], cwd: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` of `healix` would return with its output captured as text; raises TimeoutExpired, too."""
    with ExitStack() as stack:
        standard = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        standard[0].write(stdin.encode())
        standard[0].seek(0)
        into, out, err = (file.fileno() for file in standard)
        process = start(arguments, env=env, cwd=cwd, stdin=into, stdout=out, stderr=err)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for file in standard[1:]:
            file.seek(0)
        written, told = (file.read().decode() for file in standard[1:])
        return subprocess.CompletedProcess(process.args, code, written, told)


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
    from setproctitle import getproctitle

    from healix_fhir.server import parts
    from healix_fhir.server.cli.main import main

    getproctitle()  # finds where titles are written, which it does not once the environment is another
    parts.load()
    asked = _asked(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        sys.argv, directory, environment = asked["arguments"], asked["directory"], asked["environment"]
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory)
        main()
