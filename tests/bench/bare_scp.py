"""The least that could take C-STOREs in Python: a thread for each association that puts the bytes of each object into
a file, forces file and directory to the disk, and answers. It looks at nothing and keeps no index, unless it is given
a database: then each object has a row there before it is answered, as whoever keeps an index has. Rows of objects that
come while others are committed are committed together.

`python -m tests.bench.bare_scp PORT FOLDER [URL]` serves it.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread

import psycopg

from dicomweb.dimse.associate import accept, decode
from dicomweb.dimse.contexts import negotiate
from dicomweb.dimse.pdu import HEADER, IS_COMMAND, IS_LAST, PDV_HEADER, RELEASE_RESPONSE, PDUType
from dicomweb.dimse.peers import Right

BUFFER = 1 << 20
LIMIT = 128 << 10
"""Longest P-DATA-TF body, as Healix announces it."""
ELEMENT = struct.Struct("<HHI")
CLASS, FIELD, MESSAGE, ANSWERED, DATA_SET, STATUS, INSTANCE = 0x2, 0x100, 0x110, 0x120, 0x800, 0x900, 0x1000
C_STORE, NO_DATA_SET, SUCCESS = b"\x01\x00", b"\x01\x01", b"\0\0"


METADATA = os.urandom(600)
"""What an index keeps of a small image beside its names: about as much as Healix does, compressed."""


class Rows:
    """A row for each object, durable before its sender goes on; `None` as URL keeps none."""

    def __init__(self, url: str | None) -> None:
        self._kept = url is not None
        self._coming: list[str] = []
        self._came = self._entered = 0
        self._lock, self._turn = Lock(), Lock()
        if url is not None:
            self._database = psycopg.connect(url, autocommit=True)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS bare (uid text PRIMARY KEY, place text, digest bytea, metadata bytea)"
            )

    def keep(self, place: str) -> None:
        """Return when the row of the object that lies at `place` is committed: by its own thread, with all that have
        come until then, unless one of those did. A thread that commits for all is woken for each.
        """
        if not self._kept:
            return
        with self._lock:
            self._coming.append(place)
            self._came += 1
            number = self._came
        with self._turn:
            if self._entered >= number:
                return
            with self._lock:
                group, self._coming = self._coming, []
            self._database.execute(
                "INSERT INTO bare SELECT p, p, %s, %s FROM unnest(%s::text[]) p",
                (METADATA[:16], METADATA, group),
                prepare=True,
            )
            self._entered += len(group)


class Connection:
    """One association; its objects go to files in `folder`, and have `rows`."""

    def __init__(self, connection: socket.socket, folder: Path, rows: Rows) -> None:
        self._socket = connection
        self._rows = rows
        self._buffer = memoryview(bytearray(BUFFER))
        folder.mkdir()
        self._folder = str(folder)
        self._directory = os.open(folder, os.O_RDONLY)
        self._names = itertools.count()
        self._command = b""
        self._answer = b""
        self._pieces: list[bytes] = []

    def serve(self) -> None:
        """Until the peer is gone."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._socket, suppress(EOFError, OSError):
            while True:
                kind, length = HEADER.unpack(self._read(HEADER.size))
                body = self._read(length)
                if kind == PDUType.P_DATA_TF:
                    self._take(body)
                elif kind == PDUType.A_ASSOCIATE_RQ:
                    request = decode(bytes(body))
                    self._socket.sendall(accept(request, negotiate(request, {Right.STORE, Right.ECHO}), LIMIT))
                elif kind == PDUType.A_RELEASE_RQ:
                    self._socket.sendall(RELEASE_RESPONSE)
                else:
                    break
        os.close(self._directory)

    def _read(self, count: int) -> memoryview:
        view = self._buffer[:count]
        got = 0
        while got < count:
            more = self._socket.recv_into(view[got:], count - got, socket.MSG_WAITALL)
            if not more:
                raise EOFError
            got += more
        return view

    def _take(self, body: memoryview) -> None:
        position = 0
        while position < len(body):
            length, context, control = PDV_HEADER.unpack_from(body, position)
            data = bytes(body[position + PDV_HEADER.size : position + 4 + length])
            position += 4 + length
            if control & IS_COMMAND:
                self._command += data
            else:
                self._pieces.append(data)
            if not control & IS_LAST:
                continue
            if control & IS_COMMAND:
                self._answer, follows = _answer(self._command)
                self._command = b""
                if follows:
                    continue
            else:
                self._keep()
            head = PDV_HEADER.pack(len(self._answer) + 2, context, IS_COMMAND | IS_LAST)
            self._socket.sendall(HEADER.pack(PDUType.P_DATA_TF, len(head) + len(self._answer)) + head + self._answer)

    def _keep(self) -> None:
        place = f"{self._folder}/{next(self._names)}"
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.writev(descriptor, self._pieces)
        self._pieces = []
        os.fsync(descriptor)
        os.fsync(self._directory)
        os.close(descriptor)
        self._rows.keep(place)


def _answer(command: bytes) -> tuple[bytes, bool]:
    """The successful response to a command set, and whether a data set comes before it."""
    given: dict[int, bytes] = {}
    position = 0
    while position < len(command):
        _, element, length = ELEMENT.unpack_from(command, position)
        position += ELEMENT.size + length
        given[element] = command[position - length : position]
    answer = {CLASS: given[CLASS], FIELD: given[FIELD][:1] + b"\x80", ANSWERED: given[MESSAGE]}
    answer |= {DATA_SET: NO_DATA_SET, STATUS: SUCCESS}
    if INSTANCE in given:
        answer[INSTANCE] = given[INSTANCE]
    body = b"".join(ELEMENT.pack(0, element, len(value)) + value for element, value in answer.items())
    return ELEMENT.pack(0, 0, 4) + struct.pack("<I", len(body)) + body, given[FIELD] == C_STORE


def main(port: int, folder: Path, url: str | None = None) -> None:
    """Serve for ever."""
    rows = Rows(url)
    with socket.create_server(("127.0.0.1", port)) as listener:
        for number in itertools.count():
            connection, _ = listener.accept()
            Thread(target=Connection(connection, folder / str(number), rows).serve, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
