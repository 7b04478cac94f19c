# ruff: noqa: RUF001 - letters of other scripts are the matter here
"""Files in every character set that the standard defines, each with text of its script.

Spec: PS3.3 C.12.1.1.2 (2024d)
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.dicom import data_set, part10, with_pixels
from tests.support.tools import require_tool

STUDY = 7_000

TEXTS: dict[str, tuple[str | list[str], str, str]] = {
    "ascii": ("", "Doe^Jane", "plain text"),
    "latin 1": ("ISO_IR 100", "Buc^Jérôme", "Straße, señor"),
    "latin 2": ("ISO_IR 101", "Wałęsa^Źrebię", "žluťoučký kůň"),
    "latin 3": ("ISO_IR 109", "Ĉapelo^Ĝoja", "eĥoŝanĝo"),
    "latin 4": ("ISO_IR 110", "Ķēniņš^Ūsa", "šņukurs"),
    "cyrillic": ("ISO_IR 144", "Люкceмбypг^Ирина", "Грудная клетка"),
    "arabic": ("ISO_IR 127", "قباني^لنزار", "صدر"),
    "greek": ("ISO_IR 126", "Διονυσιος^Ελένη", "θώρακας"),
    "hebrew": ("ISO_IR 138", "שרון^דבורה", "חזה"),
    "latin 5": ("ISO_IR 148", "Çavuşoğlu^Işık", "göğüs"),
    "thai": ("ISO_IR 166", "นามสกุล^ชื่อ", "ทรวงอก"),
    "katakana": ("ISO_IR 13", "ﾔﾏﾀﾞ", "ﾑﾈ"),
    "utf 8": ("ISO_IR 192", "Wang^XiaoDong=王^小東=ワン^シャオドン", "胸部 🫁 grüße"),
    "gb18030": ("GB18030", "Wang^XiaoDong=王^小东", "胸部"),
    "gbk": ("GBK", "Wang^XiaoDong=王^小东", "胸部"),
    "japanese, extended": (
        ["", "ISO 2022 IR 87"],
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "胸部",
    ),
    "japanese, extended from katakana": (
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        "ﾔﾏﾀﾞ=山田^太郎=やまだ^たろう",
        "胸部",
    ),
    "korean, extended": (
        ["", "ISO 2022 IR 149"],
        "Hong^Gildong=洪^吉洞=홍^길동",
        "흉부",
    ),
    "chinese, extended": (["", "ISO 2022 IR 58"], "Zhang^XiaoDong=张^小东", "胸部"),
    "greek and cyrillic, extended": (
        ["ISO 2022 IR 100", "ISO 2022 IR 144", "ISO 2022 IR 126"],
        "Buc^Jérôme=Люкceмбypг=Διονυσιος",
        "Straße",
    ),
}
"""Specific Character Set, a name and a text."""


def charset_files() -> list[tuple[str, bytes]]:
    """Name and content of each file, small images of one study each."""
    return [(f"charsets/{name}", _file(number, *TEXTS[name])) for number, name in enumerate(TEXTS)]


def _file(number: int, terms: str | list[str], name: str, text: str) -> bytes:
    ds = with_pixels(data_set(STUDY + number, PatientID=f"CS{number}"))
    ds.SpecificCharacterSet = terms
    lines = text if terms == "ISO_IR 13" else f"{text}\r\n{text}"  # pydicom writes no line breaks in that set
    ds.PatientName, ds.StudyDescription, ds.ImageComments = name, text, lines
    ds.RequestAttributesSequence = [data_set()]
    item = ds.RequestAttributesSequence[0]
    item.clear()
    item.ScheduledProcedureStepDescription = text
    return part10(ds)


UNKNOWN = {"ISO 2022 IR 87": "iso2022_jp"}
"""What the C library of Debian, with which dcmdump converts, does not know, and Python's name of it."""


def dumped(path: Path, terms: str | list[str]) -> str:
    """What dcmdump shows of a file that it finds no fault with, as text.

    Where it cannot convert, it shows the bytes of the values as they are.
    """
    codecs = [codec for term, codec in UNKNOWN.items() if term in terms]
    arguments = [require_tool("dcmdump"), *([] if codecs else ["+U8"]), str(path)]
    shown = subprocess.run(arguments, capture_output=True, timeout=60, check=True).stdout
    return shown.decode(codecs[0] if codecs else "utf-8", errors="replace")
