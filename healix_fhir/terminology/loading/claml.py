"""A classification in ClaML, as WHO hands out ICD-10 and many countries theirs.

Chapters and blocks are abstract. Codes that arise by modifiers are made where a class names the modifier's classes that
are valid; a class that takes all of a modifier's takes them all.

Spec: ISO 13120:2019 (ClaML); FHIR R4, hl7.org/fhir/R4/icd.html
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from healix_fhir.kernel.errors import HealixError
from healix_fhir.terminology.content import Contents
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.format import Format, Wanted, contents
from healix_fhir.terminology.loading.gathered import Gathered

FILE = r"\.xml$"
URL = "http://hl7.org/fhir/sid/icd-10"
CATEGORY = "category"
PREFERRED = "preferred"
NAMES = frozenset({"preferredLong", "inclusion", "synonym"})
"""Rubrics that are further names."""
Rubrics = list[tuple[str, str | None, str]]


def read(files: Distribution, wanted: Wanted) -> Contents:
    """The code system. Raises Invalid with file and line."""
    name = files.one(FILE, "a file in ClaML (.xml)")
    reader = _Reader(files, name)
    for element in _elements(files, name):
        reader.take(element)
    reader.modify()
    return contents(
        reader.found, wanted, url=URL if reader.is_icd10 else None, version=reader.version, name=reader.title or None
    )


class Element:
    """An element with what is in it; `text` is all text inside."""

    def __init__(self, tag: str, attributes: dict[str, str], line: int) -> None:
        self.tag, self.line = tag, line
        self.get = attributes.get
        self.children: list[Element] = []
        self.text = ""

    def all(self, tag: str) -> Iterator[Element]:
        """The elements in it with a name."""
        return (one for one in self.children if one.tag == tag)


def _elements(files: Distribution, name: str) -> Iterator[Element]:
    """The elements directly below the root, each given when it is whole."""
    parser = expat.ParserCreate()
    open_: list[Element] = []
    whole: list[Element] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if not open_ and tag != "ClaML":
            raise files.wrong(name, parser.CurrentLineNumber, f"the root is {tag}, not ClaML")
        open_.append(Element(tag, attributes, parser.CurrentLineNumber))

    def end(_tag: str) -> None:
        element = open_.pop()
        if len(open_) == 1:
            whole.append(element)
        elif open_:
            open_[-1].children.append(element)
            open_[-1].text += element.text

    def characters(text: str) -> None:
        if len(open_) > 1:
            open_[-1].text += text

    def entity(*_: object) -> None:
        raise files.wrong(name, parser.CurrentLineNumber, "entities are not read")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = characters, entity
    for line, text in files.lines(name):
        _fed(parser, text, files.wrong(name, line, "no XML"))
        yield from whole
        whole.clear()
    _fed(parser, None, files.wrong(name, parser.CurrentLineNumber, "no XML, or it ends too early"))


def _fed(parser: expat.XMLParserType, text: str | None, wrong: HealixError) -> None:
    try:
        parser.Parse(text or "", text is None)
    except expat.ExpatError as error:
        raise wrong from error


class _Reader:
    """Takes the elements of a classification."""

    def __init__(self, files: Distribution, name: str) -> None:
        self.found = Gathered()
        self.title = ""
        self.version: str | None = None
        self.is_icd10 = False
        self._files, self._name = files, name
        self._modifiers: dict[str, list[tuple[str, Rubrics]]] = {}
        self._modified: list[tuple[str, list[tuple[str, list[str]]]]] = []

    def take(self, element: Element) -> None:
        if element.tag == "Title":
            self.title, self.version = element.get("name", ""), element.get("version") or element.get("date")
            self.is_icd10 = self.title.upper().startswith("ICD-10") and "-" not in self.title[6:]
        elif element.tag == "ModifierClass":
            named = (element.get("code", ""), _rubrics(element))
            self._modifiers.setdefault(element.get("modifier", ""), []).append(named)
        elif element.tag == "Class":
            self._class(element)

    def _class(self, element: Element) -> None:
        code = element.get("code")
        concept = self.found.add(code) if code else None
        if concept is None:
            why = f"the class {code} stands here again" if code else "the class has no code"
            raise self._files.wrong(self._name, element.line, why)
        kind = element.get("kind", CATEGORY)
        concept.abstract = kind != CATEGORY
        concept.has("kind", kind, "code")
        for above in element.all("SuperClass"):
            concept.below(above.get("code", ""))
        for rubric, language, text in _rubrics(element):
            if rubric == PREFERRED and concept.display is None:
                concept.display = text
            elif rubric in NAMES or rubric == PREFERRED:
                concept.named(text, language)
            elif rubric == "definition":
                concept.definition = text
        by = [(one.get("code", ""), _valid(one)) for one in element.all("ModifiedBy")]
        if by:
            self._modified.append((concept.code, by))

    def modify(self) -> None:
        """Make the codes that arise by modifiers, each below the code that is modified."""
        for code, by in self._modified:
            stems = [code]
            for modifier, valid in by:
                stems = [made for stem in stems for made in self._with(stem, modifier, valid)] or stems
        known = {concept.code for concept in self.found}
        for concept in self.found:
            lost = [parent for parent in concept.parents if parent not in known]
            if lost:
                raise self._files.wrong(self._name, 1, f"the class {lost[0]}, above {concept.code}, is not in the file")

    def _with(self, stem: str, modifier: str, valid: list[str]) -> Iterator[str]:
        below = self.found.get(stem)
        for suffix, rubrics in self._modifiers.get(modifier, ()):
            made = self.found.add(stem + suffix) if not valid or suffix in valid else None
            if made is not None and below is not None:
                name = next((text for rubric, _, text in rubrics if rubric == PREFERRED), "")
                made.display = f"{below.display or stem}: {name}" if name else below.display
                made.has("kind", CATEGORY, "code")
                made.below(stem)
                yield made.code


def _rubrics(element: Element) -> Rubrics:
    """Kind, language and text of each label."""
    return [
        (rubric.get("kind", ""), label.get("xml:lang"), " ".join(label.text.split()))
        for rubric in element.all("Rubric")
        for label in rubric.all("Label")
    ]


def _valid(modified: Element) -> list[str]:
    return [one.get("code", "") for one in modified.all("ValidModifierClass")]


CLAML = Format("claml", "ICD-10 or another classification, in ClaML", (FILE,), read)
