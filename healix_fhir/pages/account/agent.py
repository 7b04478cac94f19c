"""Browsers as people call them, from what they send as User-Agent."""

from __future__ import annotations

from healix_fhir.kernel.language.catalogue import say

BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
"""In this order: most browsers name those that they descend from, too."""

SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)


def in_words(agent: str) -> str:
    """E.g. "Firefox on Windows"."""
    browser = next((name for mark, name in BROWSERS if mark in agent), say("A browser"))
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    return say("{browser} on {system}", browser=browser, system=system) if system else browser
