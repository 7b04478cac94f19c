"""Templates in other languages than that of their source, which is English.

A template is written in plain English HTML. Its *messages* are the texts between tags and the attributes that are read
out; `{{ expressions }}` within are `{names}`, and `<a>`, `<strong>` and the like stay in the message without their
attributes, so that a translation can order a whole sentence anew. Statements and all other tags end a message. For a
language the source is rewritten once, before it is compiled: showing a page costs nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

EXPRESSION = r"\{\{.*?\}\}|<time\b.*?</time>"
STATEMENT = r"\{%.*?%\}|\{#.*?#\}|<!.*?>"
TAG = r"</?[a-zA-Z](?:\{\{.*?\}\}|\{%.*?%\}|[^<>{])*>"
TOKEN = re.compile(f"(?P<expression>{EXPRESSION})|(?P<statement>{STATEMENT})|(?P<tag>{TAG})", re.DOTALL)
ATTRIBUTE = re.compile(
    r'\b(?P<name>aria-label|placeholder|title|alt)="(?P<value>(?:\{\{.*?\}\}|\{%.*?%\}|[^"{])*)"', re.DOTALL
)
SAID = re.compile(r"""\b(?:say|counted)\(([^()]*(?:\([^()]*\)[^()]*)*)""")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
INLINE = frozenset({"a", "strong", "em", "q", "code", "b", "i", "abbr"})
VERBATIM = frozenset({"Healix", "· Healix", "UTC"})
"""What is the same in every language."""
PIECE = re.compile(r"^<\{|^[\w-]+=\"|\.ics$")
"""What begins a piece of a tag, and what ends an address: no text of a message."""
WORD = re.compile(r"[^\W\d_]")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
QUOTED = re.compile(r'"[^"]*"')
PLACE = re.compile(r"\{(\w+)\}|<(/?)([a-z]+)(\d*)>")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a template's source: `kind` is text, expression, statement or tag."""

    kind: str
    source: str

    @property
    def tag(self) -> str:
        """The name of a tag, with the slash of one that ends."""
        found = re.match(r"</?([a-zA-Z]+)", self.source)
        return found[0][1:].lower() if found and self.kind == "tag" else ""

    @property
    def inline(self) -> bool:
        """Whether it is a tag that stays within a message."""
        return self.tag.lstrip("/") in INLINE


def rewritten(source: str, words: Callable[[str], str]) -> str:
    """A template with `words` for each of its messages; expressions that `say` something do so when shown."""
    return "".join(_pieces(source, words))


def messages(source: str) -> list[str]:
    """All messages of a template in order, and what its expressions say."""
    found: list[str] = []

    def noted(message: str) -> str:
        found.append(message)
        return message

    rewritten(source, noted)
    for call in SAID.finditer(source):
        found += [text.replace('\\"', '"') for text in LITERAL.findall(call[1]) if WORD.search(text)]
    return found


def _pieces(source: str, words: Callable[[str], str]) -> Iterator[str]:
    run: list[Token] = []
    for token in _tokens(source):
        if token.kind in ("text", "expression") or token.inline:
            run.append(_read_out(token, words) if token.kind == "tag" else token)
            continue
        yield from _run(run, words)
        run = []
        yield _read_out(token, words).source if token.kind == "tag" else token.source
    yield from _run(run, words)


def _tokens(source: str) -> Iterator[Token]:
    end = 0
    for found in TOKEN.finditer(source):
        if found.start() > end:
            yield Token("text", source[end : found.start()])
        yield Token(str(found.lastgroup), found[0])
        end = found.end()
    if end < len(source):
        yield Token("text", source[end:])


def _read_out(token: Token, words: Callable[[str], str]) -> Token:
    """A tag with its attributes in words."""

    def replaced(found: re.Match[str]) -> str:
        value = "".join(_pieces(found["value"], words))
        return f'{found["name"]}="{value}"'

    return Token("tag", ATTRIBUTE.sub(replaced, token.source))


def _run(run: list[Token], words: Callable[[str], str]) -> Iterator[str]:
    """Text with what stays within it, as one message; as several where tags in it belong to what is outside."""
    first, last = 0, len(run)
    while first < last and not _holds(run[first]) and not _opens_inside(run, first, last):
        first += 1
    while last > first and not _holds(run[last - 1]) and not _closes_inside(run, first, last):
        last -= 1
    while last - first > 1 and _wraps(run, first, last):
        first, last = first + 1, last - 1
    inner = run[first:last]
    yield "".join(token.source for token in run[:first])
    if _side_by_side(inner):
        while inner:
            end = (_partner(inner, 0, 0, len(inner)) or 0) + 1
            yield from _run(inner[:end], words)
            inner = inner[end:]
    elif not _balanced(inner):
        at = next(number for number, token in enumerate(inner) if token.inline)
        yield from _run(inner[:at], words)
        yield inner[at].source
        yield from _run(inner[at + 1 :], words)
    elif any(token.kind == "text" and WORD.search(token.source) for token in inner):
        yield _message(inner, words)
    else:
        yield "".join(token.source for token in inner)
    yield "".join(token.source for token in run[last:])


def _holds(token: Token) -> bool:
    """Whether a message can begin or end with it."""
    return token.kind == "expression" or (token.kind == "text" and bool(token.source.strip()))


def _partner(run: list[Token], at: int, first: int, last: int) -> int | None:
    """Where the element that begins or ends at a tag has its other tag."""
    ending = run[at].tag.startswith("/")
    depth = 0
    for number in range(at, first - 1, -1) if ending else range(at, last):
        tag = run[number].tag
        if tag.lstrip("/") == run[at].tag.lstrip("/"):
            depth += 1 if tag.startswith("/") == ending else -1
            if depth == 0:
                return number
    return None


def _opens_inside(run: list[Token], first: int, last: int) -> bool:
    return run[first].inline and not run[first].tag.startswith("/") and _partner(run, first, first, last) is not None


def _closes_inside(run: list[Token], first: int, last: int) -> bool:
    at = last - 1
    return run[at].inline and run[at].tag.startswith("/") and _partner(run, at, first, last) is not None


def _wraps(run: list[Token], first: int, last: int) -> bool:
    """Whether one element is all of it."""
    return run[first].inline and _partner(run, first, first, last) == last - 1


def _balanced(run: list[Token]) -> bool:
    open_: list[str] = []
    for token in run:
        if token.inline and token.tag.startswith("/"):
            if not open_ or open_.pop() != token.tag[1:]:
                return False
        elif token.inline:
            open_.append(token.tag)
    return not open_


def _side_by_side(run: list[Token]) -> bool:
    """Whether it is several elements, such as the links of a menu, with nothing but space between them."""
    depth = elements = 0
    for token in run:
        if token.inline:
            depth += -1 if token.tag.startswith("/") else 1
            elements += depth == 0
        elif depth == 0 and _holds(token):
            return False
    return depth == 0 and elements > 1


def _message(run: list[Token], words: Callable[[str], str]) -> str:
    """The source of a run in `words`, the space around it kept."""
    places: dict[str, str] = {}
    text = "".join(token.source if token.kind == "text" else _place(token, places) for token in run)
    message = " ".join(text.split())
    if message in VERBATIM or PIECE.search(message):
        return "".join(token.source for token in run)
    spoken = words(message)
    if spoken == message:
        return "".join(token.source for token in run)
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return before + PLACE.sub(lambda found: places.get(found[0], found[0]), spoken) + after


def _place(token: Token, places: dict[str, str]) -> str:
    """How an expression or a tag stands in a message, noted with its source."""
    if token.kind == "tag" and token.tag.startswith("/"):
        shape = "<{}>"
    elif token.kind == "tag":
        shape = "<{}{}>"
    else:
        shape = "{{{}{}}}"
    name = token.tag or _name(token.source)
    if token.tag.startswith("/"):
        return shape.format(name)
    number = 1
    while places.setdefault(place := shape.format(name, "" if number == 1 else number), token.source) != token.source:
        number += 1
    return place


def _name(expression: str) -> str:
    """What an expression is called: the last name of its first part."""
    if expression.startswith("<time"):
        return "time"
    plain = QUOTED.sub("", expression.strip("{}- \n").partition(" | ")[0])
    names = IDENTIFIER.findall(plain)
    return names[-1] if names else "text"


def unlike(message: str, spoken: str) -> str:
    """What a translation has otherwise than its message, of names and tags; empty when nothing."""
    ours, theirs = (sorted(found[0] for found in PLACE.finditer(text)) for text in (message, spoken))
    return "" if ours == theirs else f"{ours} are {theirs}"


def said_by(words: Mapping[str, str]) -> Callable[[str], str]:
    """The lookup in a catalogue, by which what is not in it stays English."""
    return lambda message: words.get(message, message)
