"""From the text of a FHIRPath expression to its tree: the whole grammar, by operator precedence.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#operator-precedence
"""

from __future__ import annotations

from decimal import Decimal

from healix_fhir.kernel.errors import too_large
from healix_fhir.model.fhirpath.lexer import Kind, Word, syntax_error, words
from healix_fhir.model.fhirpath.tree import (
    Binary,
    Call,
    Index,
    Literal,
    Member,
    Node,
    This,
    TypeTest,
    Unary,
    Variable,
    levels,
)

PRECEDENCE = {
    "implies": 1,
    "or": 2, "xor": 2,
    "and": 3,
    "in": 4, "contains": 4,
    "=": 5, "~": 5, "!=": 5, "!~": 5,
    "<": 6, ">": 6, "<=": 6, ">=": 6,
    "|": 7,
    "is": 8, "as": 8,
    "+": 9, "-": 9, "&": 9,
    "*": 10, "/": 10, "div": 10, "mod": 10,
}  # fmt: skip
"""How strongly each binary operator binds; all associate to the left."""

DEPTH = 100
"""Nesting that is followed, so that no expression exhausts the stack."""

LEVELS = 200
"""The levels that a tree may have: a chain `a.b.c` has one for each step, each a frame of the stack later on."""

LENGTH = 20_000
"""The characters that an expression may have."""

INTEGER_LIMIT = 2**31
"""What an Integer may be, and one more for `-2147483648`, which is read as a sign and a number."""

DIGITS = 20
"""The digits of an Integer that are looked at: leading zeros are allowed."""

NAMESPACES = ("FHIR", "System")

TYPE_FUNCTIONS = frozenset({"is", "as", "ofType"})
"""Functions whose argument is a type and not an expression."""

CALENDAR_UNITS = frozenset(
    unit + plural
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for plural in ("", "s")
)


def parse(expression: str) -> Node:
    """The tree of `expression`. Raises Invalid with the place where it cannot be read."""
    if len(expression) > LENGTH:
        raise too_large(f"a FHIRPath expression may have {LENGTH} characters")
    parser = _Parser(expression)
    node = parser.binary(1)
    if parser.word.kind is not Kind.END:
        raise parser.error()
    if sum(1 for _ in levels(node)) > LEVELS:
        raise too_large(f"a FHIRPath expression may have {LEVELS} steps one after the other")
    return node


class _Parser:
    """A recursive descent over the words of one expression."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._words = words(expression)
        self._next = 0
        self._depth = 0

    @property
    def word(self) -> Word:
        return self._words[self._next]

    def error(self) -> Exception:
        return syntax_error(self._expression, self.word.position)

    def _take(self) -> Word:
        word = self.word
        self._next += 1
        return word

    def _at(self, symbol: str) -> bool:
        return self.word.kind is Kind.SYMBOL and self.word.text == symbol

    def _accept(self, symbol: str) -> bool:
        if not self._at(symbol):
            return False
        self._next += 1
        return True

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise self.error()

    def _name(self) -> str:
        if self.word.kind is not Kind.NAME:
            raise self.error()
        return self._take().text

    def binary(self, least: int) -> Node:
        """An expression of operators that bind at least as strongly as `least`."""
        self._depth += 1
        if self._depth > DEPTH:
            raise self.error()
        left = self._unary()
        while (strength := self._strength()) >= least:
            operator = self._take().text
            if operator in ("is", "as"):
                namespace, name = self._type()
                left = TypeTest(operator, left, name, namespace)
            else:
                left = Binary(operator, left, self.binary(strength + 1))
        self._depth -= 1
        return left

    def _strength(self) -> int:
        word = self.word
        if word.kind is Kind.SYMBOL or (word.kind is Kind.NAME and not word.quoted):
            return PRECEDENCE.get(word.text, 0)
        return 0

    def _unary(self) -> Node:
        signs = []
        while self._at("+") or self._at("-"):
            signs.append(self._take().text)
        node = self._postfix()
        for sign in reversed(signs):
            node = Unary(sign, node)
        return node

    def _postfix(self) -> Node:
        node = self._term()
        while True:
            if self._accept("."):
                node = self._invocation(node)
            elif self._accept("["):
                node = Index(node, self.binary(1))
                self._expect("]")
            else:
                return node

    def _term(self) -> Node:
        word = self.word
        if word.kind is Kind.NAME:
            if word.text in ("true", "false") and not word.quoted:
                return Literal("Boolean", self._take().text == "true")
            return self._invocation(This())
        if word.kind is Kind.VARIABLE:
            return self._variable()
        if self._accept("("):
            node = self.binary(1)
            self._expect(")")
            return node
        if self._accept("{"):
            self._expect("}")
            return Literal(None, None)
        return self._literal()

    def _literal(self) -> Node:
        word = self._take()
        if word.kind is Kind.STRING:
            return Literal("String", word.text)
        if word.kind is Kind.MOMENT:
            return _moment(word.text[1:])
        if word.kind is Kind.NUMBER:
            unit = self.word
            if unit.kind is Kind.STRING:
                return Literal("Quantity", f"{word.text} '{self._take().text}'")
            if unit.kind is Kind.NAME and unit.text in CALENDAR_UNITS:
                return Literal("Quantity", f"{word.text} {self._take().text}")
            if "." in word.text:
                return Literal("Decimal", Decimal(word.text))
            if len(word.text) <= DIGITS and int(word.text) <= INTEGER_LIMIT:
                return Literal("Integer", int(word.text))
        self._next -= 1
        raise self.error()

    def _invocation(self, base: Node) -> Node:
        if self.word.kind is Kind.VARIABLE and self.word.text.startswith("$"):
            return self._variable()
        name = self._name()
        if not self._accept("("):
            return Member(base, name)
        if name in TYPE_FUNCTIONS and not self._at(")"):
            namespace, type_name = self._type()
            self._expect(")")
            return TypeTest(name, base, type_name, namespace)
        return Call(base, name, self._arguments())

    def _arguments(self) -> tuple[Node, ...]:
        if self._accept(")"):
            return ()
        arguments = [self.binary(1)]
        while self._accept(","):
            arguments.append(self.binary(1))
        self._expect(")")
        return tuple(arguments)

    def _variable(self) -> Node:
        """`$this`, `$index`, `$total`, which stand for the same wherever they are written, or `%name`."""
        if self.word.text.startswith("$") and self.word.text not in ("$this", "$index", "$total"):
            raise self.error()
        name = self._take().text
        return This() if name == "$this" else Variable(name)

    def _type(self) -> tuple[str, str]:
        """Namespace (or nothing) and name of a type; also in the parentheses that some expressions of R4 put around."""
        if self._accept("("):
            found = self._type()
            self._expect(")")
            return found
        name = self._name()
        if name in NAMESPACES and self._accept("."):
            return name, self._name()
        return "", name


def _moment(text: str) -> Literal:
    if text.startswith("T"):
        return Literal("Time", text[1:])
    return Literal("DateTime" if "T" in text else "Date", text)
