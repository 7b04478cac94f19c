"""The XHTML of narratives: well-formed, no active content, only what R4 allows.

Spec: FHIR R4, hl7.org/fhir/R4/narrative.html (invariants txt-1 and txt-2)
"""

from __future__ import annotations

import contextlib
from xml.parsers import expat

NAMESPACE = "http://www.w3.org/1999/xhtml"

ELEMENTS = frozenset(
    {
        "a", "abbr", "acronym", "b", "big", "blockquote", "br", "caption", "cite", "code", "col", "colgroup",
        "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li",
        "ol", "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td",
        "tfoot", "th", "thead", "tr", "tt", "ul", "var",
    }
)  # fmt: skip
ATTRIBUTES = frozenset(
    {
        "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding",
        "cellspacing", "cellvalign", "char", "charoff", "charset", "cite", "class", "colspan", "compact",
        "coords", "dir", "frame", "headers", "height", "href", "hreflang", "hspace", "id", "lang", "longdesc",
        "name", "nowrap", "rel", "rev", "rowspan", "rules", "scope", "shape", "span", "src", "start", "style",
        "summary", "tabindex", "title", "type", "valign", "value", "vspace", "width",
        "http://www.w3.org/XML/1998/namespace lang",
    }
)  # fmt: skip
INLINE = frozenset(
    {
        "a", "abbr", "acronym", "b", "big", "cite", "code", "dfn", "em", "i", "q", "samp", "small", "span", "strong",
        "sub", "sup", "tt", "var",
    }
)  # fmt: skip
"""Elements that do not part the words before and after them."""
ACTIVE = ("javascript:", "vbscript:", "data:text")  # URL schemes that run code where a browser shows the narrative


class _RefusedError(Exception):
    """The reason why the text is no narrative."""


class _Reader:
    """Receives the parser's events; a document type, and so any entity, is refused at once.

    `shows` tells whether there is anything to see.
    """

    def __init__(self) -> None:
        self.shows = False
        self.depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if namespace != NAMESPACE:
            raise _RefusedError(f"<{local[:30]}> is not in the namespace {NAMESPACE}")
        if self.depth == 0 and local != "div":
            raise _RefusedError("the root must be a <div>")
        self.depth += 1
        if local not in ELEMENTS:
            raise _RefusedError(f"<{local[:30]}> is not allowed in a narrative")
        for attribute, value in attributes.items():
            _check_attribute(attribute, value)
        if local == "img" and "src" in attributes:
            self.shows = True

    def text(self, data: str) -> None:
        if not self.shows and not data.isspace():
            self.shows = True

    def refuse(self, *_: object) -> None:
        raise _RefusedError("document types and processing instructions are not allowed in a narrative")


def _check_attribute(name: str, value: str) -> None:
    if name not in ATTRIBUTES:
        raise _RefusedError(f"the attribute {name[:30]} is not allowed in a narrative")
    if name in {"href", "src"} and "".join(value.split()).lower().startswith(ACTIVE):
        raise _RefusedError(f"the {name} must not hold code")


def problem(text: str) -> str | None:
    """Why `text` is not the `div` of a narrative; None when it is."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.ProcessingInstructionHandler = reader.refuse
    try:
        parser.Parse(text, True)
    except _RefusedError as refused:
        return str(refused)
    except expat.ExpatError as error:
        return f"the XHTML is not well-formed: {expat.ErrorString(error.code)}"
    return None if reader.shows else "a narrative must have some content"


def text_of(div: str) -> str:
    """What a reader of a narrative sees of it, without markup: of one that is not well-formed, what can be read."""
    pieces: list[str] = []

    def part(name: str, *_: object) -> None:
        if name.rpartition(" ")[2] not in INLINE:
            pieces.append(" ")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = part
    parser.EndElementHandler = part
    parser.CharacterDataHandler = pieces.append
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(div, True)
    return "".join(pieces)
