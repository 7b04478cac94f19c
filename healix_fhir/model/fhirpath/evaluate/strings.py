"""String manipulation.

Some (encode, escape, trim, split, join, matchesFull) are of the trial use part and of the later build.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#string-manipulation
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from healix_fhir.kernel.errors import invalid, too_large
from healix_fhir.model.fhirpath.evaluate import regex
from healix_fhir.model.fhirpath.evaluate.function import Arguments, Function, on_items, on_text
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items
from healix_fhir.model.fhirpath.evaluate.scope import TEXT_LIMIT, Run, Scope
from healix_fhir.model.fhirpath.evaluate.system import collection, integer, node_of, text

ESCAPE_OR_QUOTE = re.compile(r'\\.|"', re.DOTALL)


def _substring(base: Run, arguments: Arguments) -> Run:
    def run(scope: Scope) -> Items:
        subject = text(base(scope), "the input of substring()")
        start = integer(arguments[0].run(scope), "the start of substring()")
        length = integer(arguments[1].run(scope), "the length of substring()") if len(arguments) > 1 else None
        if subject is None or start is None or not 0 <= start < len(subject):
            return EMPTY
        scope.evaluation.spend_on(subject)
        return collection(subject[start:] if length is None else subject[start : start + max(length, 0)])

    return run


def _replace(subject: str, pattern: str, substitution: str) -> str:
    """An empty pattern is found before each character and at the end."""
    if len(subject) + subject.count(pattern) * len(substitution) > TEXT_LIMIT:
        raise too_large(f"FHIRPath: a string may have {TEXT_LIMIT} characters")
    return subject.replace(pattern, substitution)


def _characters(items: Items, scope: Scope) -> Items:
    subject = text(items, "the input of toChars()") or ""
    scope.evaluation.spend(len(subject))
    return [node_of(character) for character in subject]


def _split(base: Run, arguments: Arguments) -> Run:
    (argument,) = arguments

    def run(scope: Scope) -> Items:
        subject = text(base(scope), "the input of split()")
        separator = text(argument.run(scope), "the separator of split()")
        if subject is None or separator is None:
            return EMPTY
        scope.evaluation.spend_on(subject)
        parts = subject.split(separator) if separator else list(subject)
        scope.evaluation.spend(len(parts))
        return [node_of(part) for part in parts]

    return run


def _join(base: Run, arguments: Arguments) -> Run:
    def run(scope: Scope) -> Items:
        items = base(scope)
        scope.evaluation.spend(len(items))
        separator = text(arguments[0].run(scope), "the separator of join()") if arguments else ""
        if not items or separator is None:
            return EMPTY
        parts = [part for item in items if (part := text((item,), "an item of join()")) is not None]
        scope.evaluation.spend_on(separator, *parts)
        if sum(map(len, parts)) + len(separator) * len(parts) > TEXT_LIMIT:
            raise too_large(f"FHIRPath: a string may have {TEXT_LIMIT} characters")
        return collection(separator.join(parts))

    return run


def _coded(name: str, table: Mapping[str, Callable[[str], str]]) -> Function:
    """A function whose argument names the form; a text that is not of the form gives an empty result."""

    def convert(subject: str, form: str) -> str | None:
        conversion = table.get(form)
        if conversion is None:
            raise invalid(f"FHIRPath: {name}() does not know '{form[:32]}', but {', '.join(sorted(table))}")
        try:
            return conversion(subject)
        except ValueError:
            return None

    return on_text(name, 1, convert)


def _from_hex(subject: str) -> str:
    return binascii.unhexlify(subject).decode()


def _from_json(subject: str) -> str:
    """Quotes may stand bare: what is unescaped is the inside of a JSON string, wherever it comes from."""
    quoted = ESCAPE_OR_QUOTE.sub(lambda found: '\\"' if found[0] == '"' else found[0], subject)
    text = str(json.loads(f'"{quoted}"', strict=False))
    text.encode()  # a lone surrogate is no text
    return text


ENCODERS: Mapping[str, Callable[[str], str]] = {
    "base64": lambda subject: base64.b64encode(subject.encode()).decode(),
    "hex": lambda subject: subject.encode().hex(),
    "urlbase64": lambda subject: base64.urlsafe_b64encode(subject.encode()).decode(),
}
DECODERS: Mapping[str, Callable[[str], str]] = {
    "base64": lambda subject: base64.b64decode(subject, validate=True).decode(),
    "hex": _from_hex,
    "urlbase64": lambda subject: base64.b64decode(subject, altchars=b"-_", validate=True).decode(),
}
ESCAPES: Mapping[str, Callable[[str], str]] = {
    "html": html.escape,
    "json": lambda subject: json.dumps(subject, ensure_ascii=False)[1:-1],
}
UNESCAPES: Mapping[str, Callable[[str], str]] = {"html": html.unescape, "json": _from_json}


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "contains": on_text("contains", 1, lambda subject, part: part in subject),
        "decode": _coded("decode", DECODERS),
        "encode": _coded("encode", ENCODERS),
        "endsWith": on_text("endsWith", 1, str.endswith),
        "escape": _coded("escape", ESCAPES),
        "indexOf": on_text("indexOf", 1, str.find),
        "join": Function(0, 1, _join),
        "lastIndexOf": on_text("lastIndexOf", 1, str.rfind),
        "length": on_text("length", 0, len),
        "lower": on_text("lower", 0, str.lower),
        "matches": on_text("matches", 1, regex.matches),
        "matchesFull": on_text("matchesFull", 1, regex.matches_full),
        "replace": on_text("replace", 2, _replace),
        "replaceMatches": on_text("replaceMatches", 2, regex.replace),
        "split": Function(1, 1, _split),
        "startsWith": on_text("startsWith", 1, str.startswith),
        "substring": Function(1, 2, _substring),
        "toChars": on_items(_characters),
        "trim": on_text("trim", 0, str.strip),
        "unescape": _coded("unescape", UNESCAPES),
        "upper": on_text("upper", 0, str.upper),
    }
)
