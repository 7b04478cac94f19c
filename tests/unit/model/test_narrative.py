"""Narratives: well-formed XHTML with what R4 allows and nothing that acts."""

from __future__ import annotations

import pytest

from healix_fhir.model.narrative import problem

OPEN = '<div xmlns="http://www.w3.org/1999/xhtml">'


@pytest.mark.parametrize(
    "inner",
    [
        "x",
        "<p style='color: red'>a<br/>b</p>",
        '<table class="grid"><tr><td colspan="2">x</td></tr></table>',
        '<a href="https://example.org">x</a><a name="y"/>',
        '<img src="#pic" alt="x"/>',
        '<span xml:lang="en" lang="en">x</span>',
        "&lt;&amp;&#160;",
        "<!-- c -->x",
    ],
)
def test_good_narrative(inner: str) -> None:
    """Formatting, tables, links, images."""
    assert problem(f"{OPEN}{inner}</div>") is None


@pytest.mark.spec("FHIR R4 narrative.html txt-1, txt-2")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{OPEN}<script>x</script></div>", "<script>"),
        (f"{OPEN}<iframe src='x'/></div>", "<iframe>"),
        (f"{OPEN}<form>x</form></div>", "<form>"),
        (f"{OPEN}<p onclick='x'>x</p></div>", "onclick"),
        (f"{OPEN}<a href='javascript:x'>x</a></div>", "href"),
        (f"{OPEN}<a href=' Java&#10;Script:x'>x</a></div>", "href"),
        (f"{OPEN}<img src='data:text/html,x'/></div>", "src"),
        (f"{OPEN}<svg xmlns='http://www.w3.org/2000/svg'>x</svg></div>", "namespace"),
        ("<div>x</div>", "namespace"),
        ('<p xmlns="http://www.w3.org/1999/xhtml">x</p>', "<div>"),
        (f"{OPEN}x", "well-formed"),
        (f"{OPEN}<p>x</div>", "well-formed"),
        (f"{OPEN}&nbsp;</div>", "well-formed"),
        (f"{OPEN}x</div>{OPEN}x</div>", "well-formed"),
        (f'<!DOCTYPE div [<!ENTITY a "aaaa">]>{OPEN}&a;</div>', "document types"),
        (f"<?php x ?>{OPEN}x</div>", "processing"),
        (f"{OPEN} \n </div>", "content"),
        (f"{OPEN}<p/></div>", "content"),
    ],
)
def test_bad_narrative(text: str, reason: str) -> None:
    """Active content, other namespaces, entities, broken markup and emptiness are refused with their reason."""
    assert reason in (problem(text) or "")
