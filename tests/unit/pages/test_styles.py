"""The style sheets beside the templates."""

from __future__ import annotations

import re
from pathlib import Path

from healix_fhir.pages import render

PAGES = Path(render.__file__).parent


def test_lists_do_not_keep_the_line_breaks_of_their_source() -> None:
    """What keeps the line breaks of a written text is no class of a list, whose lines would stand far apart."""
    lists = {
        name
        for page in PAGES.glob("templates/**/*.html")
        for classes in re.findall(r'<(?:ul|ol|dl)\b[^>]* class="([\w -]+)"', page.read_text())
        for name in classes.split()
    }
    keeping = {
        name
        for sheet in PAGES.glob("assets/*.css")
        for selectors, rules in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet.read_text())
        if "white-space: pre" in rules
        for name in re.findall(r"\.([\w-]+)", selectors)
    }
    assert {"lines", "findings"} <= lists
    assert keeping
    assert lists & keeping == set()
