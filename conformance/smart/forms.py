"""The forms of a page, as a browser without scripts would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

SUBMITS = ("submit", "image")
TICKED = ("checkbox", "radio")


@dataclass(frozen=True)
class Control:
    """An input or button. `on`: a box or radio button that is ticked as the page comes."""

    name: str
    kind: str
    value: str
    on: bool = False


@dataclass
class Form:
    """A form and its controls."""

    action: str
    method: str
    controls: list[Control] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether there is a control of this name."""
        return any(control.name == name for control in self.controls)

    def values(self, name: str) -> list[str]:
        """The values of the controls of this name."""
        return [control.value for control in self.controls if control.name == name]

    def radios(self) -> dict[str, list[str]]:
        """The values to choose among, by name."""
        names = dict.fromkeys(control.name for control in self.controls if control.kind == "radio")
        return {name: self.values(name) for name in names}

    def filled(self) -> list[tuple[str, str]]:
        """What is sent when nothing is touched and no button is named."""
        return [
            (control.name, control.value)
            for control in self.controls
            if control.kind not in SUBMITS and (control.kind not in TICKED or control.on)
        ]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.inside: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take forms and their controls."""
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = Form(found.get("action", ""), found.get("method", "get").lower())
            self.forms.append(self.inside)
        elif tag in ("input", "button") and self.inside is not None and found.get("name"):
            kind = found.get("type", "text" if tag == "input" else "submit")
            value = found.get("value", "on" if kind in TICKED else "")
            self.inside.controls.append(Control(found["name"], kind, value, "checked" in found))

    def handle_endtag(self, tag: str) -> None:
        """End the form."""
        if tag == "form":
            self.inside = None


def forms(page: bytes) -> list[Form]:
    """The forms of an HTML page."""
    reader = _Reader()
    reader.feed(page.decode("utf-8", "replace"))
    return reader.forms
