"""The process that sets one document: JSON comes in, the PDF goes out; its argument is the directory of the pictures.

It limits itself before it reads anything, loads nothing else of Healix, and reads no file but template, fonts and
pictures.
"""

from __future__ import annotations

import sys
from pathlib import Path

MEMORY = 1 << 30
"""Bytes of memory."""
SECONDS = 25
"""Of processor time."""
HERE = Path(__file__).parent


def limit() -> None:
    """Hold the process to its limits, where the system can."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def compiled(document: str, pictures: str) -> bytes:
    """The PDF of a document as JSON, whose pictures lie in the directory `pictures`."""
    import typst

    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(HERE / "fonts")])
    compiler = typst.Compiler(root=pictures, font_paths=fonts, sys_inputs={"document": document})
    template = (HERE / "frame" / "document.typ").read_bytes()
    made = compiler.compile(template, format="pdf", pdf_standards=["ua-1", "a-2a"])
    assert isinstance(made, bytes)
    return made


if __name__ == "__main__":
    limit()
    sys.stdout.buffer.write(compiled(sys.stdin.buffer.read().decode(), sys.argv[1]))
