"""What `_text` and `_content` ask for, as PostgreSQL's query on words.

Words side by side must all be there, in any order; `"…"` is a phrase. `OR` (or a comma) parts alternatives, `AND` may
be written, `NOT` or `-` excludes, parentheses group, in whatever case: `(bone OR liver) and metastases`. A `*` at the
end of a word stands for any ending. Who looks for the word `or` itself puts it into quotation marks.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#content
"""

from __future__ import annotations

import re

from healix_fhir.search.words import words

TOKEN = re.compile(r"""\s*(?:"([^"]*)"|([(),])|(-)(?=\S)|((?:\\.|[^\s(),"\\])+))""")
ESCAPED = re.compile(r"\\(.)")
LENGTH = 1000
WORDS = 64
DEPTH = 16
ENDINGS = 2
"""Letters that must stand before a `*`."""


class TextQueryError(Exception):
    """Why a text cannot be looked for."""


class _Query:
    """A query that is being read, token after token."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._words = 0

    def read(self) -> str:
        found = self._either(0)
        if self._at < len(self._tokens):
            raise TextQueryError("a parenthesis is closed that was not opened")
        if found is None:
            raise TextQueryError("there is no word to look for")
        text, bound = found
        if not bound:
            raise TextQueryError("each alternative needs a word that is to be found, beside those that are not")
        return text

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _takes(self, *tokens: str) -> bool:
        taken = self._next().lower() in tokens
        self._at += taken
        return taken

    def _either(self, depth: int) -> tuple[str, bool] | None:
        """Alternatives: bound if each of them is."""
        found = [self._all(depth)]
        while self._takes("or", ","):
            found.append(self._all(depth))
        known = [one for one in found if one is not None]
        if not known:
            return None
        return _joined(" | ", known), all(bound for _, bound in known)

    def _all(self, depth: int) -> tuple[str, bool] | None:
        """What must hold together: bound if one of it is."""
        found: list[tuple[str, bool]] = []
        while (token := self._next().lower()) and token not in ("or", ",", ")"):
            if self._takes("and"):
                continue
            one = self._one(depth)
            if one is not None:
                found.append(one)
        if not found:
            return None
        return _joined(" & ", found), any(bound for _, bound in found)

    def _one(self, depth: int) -> tuple[str, bool] | None:
        if depth > DEPTH:
            raise TextQueryError(f"parentheses and NOT may stand in each other {DEPTH} times at most")
        if self._takes("not"):
            if not self._next() or self._next() in (",", ")"):
                raise TextQueryError("NOT must stand before what is not to be found")
            inner = self._one(depth + 1)
            return None if inner is None else (f"!({inner[0]})", False)
        if self._takes("("):
            found = self._either(depth + 1)
            if not self._takes(")"):
                raise TextQueryError("a parenthesis is not closed")
            return found
        phrase = self._phrase(self._next())
        self._at += 1
        return phrase

    def _phrase(self, token: str) -> tuple[str, bool] | None:
        """The words of a token one after the other; None for one that has none."""
        quoted = token.startswith('"')
        text = token[1:] if quoted else ESCAPED.sub(r"\1", token)
        found = words(text)
        self._words += len(found)
        if self._words > WORDS:
            raise TextQueryError(f"at most {WORDS} words can be looked for at once")
        if not found:
            return None
        ending = ""
        if not quoted and text.endswith("*"):
            if len(found[-1]) < ENDINGS:
                raise TextQueryError(f"before a * there must be at least {ENDINGS} letters")
            ending = ":*"
        return "(" + " <-> ".join(f"'{word}'" for word in found) + ending + ")", True


def text_query(text: str) -> str:
    """The text of a tsquery; raises TextQueryError with the reason for what cannot be read."""
    if len(text) > LENGTH:
        raise TextQueryError(f"it may have {LENGTH} characters at most")
    return _Query(text).read()


def _tokens(text: str) -> list[str]:
    """Words and signs as written; a phrase begins with its quotation mark."""
    tokens: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise TextQueryError("a quotation mark is not closed" if '"' in text[at:] else "it ends in a backslash")
        phrase, sign, minus, word = found.groups()
        tokens.append(f'"{phrase}' if phrase is not None else "not" if minus else sign or word)
        at = found.end()
    return tokens


def _joined(operator: str, parts: list[tuple[str, bool]]) -> str:
    texts = [text for text, _ in parts]
    return texts[0] if len(texts) == 1 else f"({operator.join(texts)})"
