"""A browser without scripts: cookies, redirects within the server, forms. It stops where the server sends it away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from conformance.check import Failed
from conformance.smart.forms import Form, forms
from conformance.target import Target

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REDIRECTS = (301, 302, 303, 307, 308)
MOST = 10


@dataclass(frozen=True)
class Page:
    """What is shown: a page of the server, or where it sent the browser away to (`left`, with an empty body)."""

    url: str
    status: int
    body: bytes = b""
    left: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def forms(self) -> list[Form]:
        """Its forms."""
        return forms(self.body)

    def form(self, control: str) -> Form | None:
        """The first form with a control of this name."""
        return next((form for form in self.forms if form.has(control)), None)

    @property
    def told(self) -> dict[str, str]:
        """The parameters of the address that the browser was sent away to."""
        return dict(parse_qsl(urlsplit(self.left or "").query))


@dataclass
class Browser:
    """One person's browser."""

    target: Target
    cookies: dict[str, str] = field(default_factory=dict)

    def open(self, url: str) -> Page:
        """Go to an address."""
        return self._go("GET", url, None, {})

    def post(self, url: str, fields: Sequence[tuple[str, str]]) -> Page:
        """Send a form to an address."""
        return self._go("POST", url, urlencode(fields).encode(), FORM)

    def submit(self, page: Page, form: Form, fields: Sequence[tuple[str, str]]) -> Page:
        """Send a form of a page with these fields."""
        url = urljoin(page.url, form.action)
        return self.post(url, fields) if form.method == "post" else self.open(f"{url}?{urlencode(fields)}")

    def _go(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Page:
        for _ in range(MOST):
            if not url.startswith(f"{self.target.base}/"):
                return Page(url, 0, left=url)
            held = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            given = {"Accept": "text/html", **headers, **({"Cookie": held} if held else {})}
            answer = self.target.ask(method, url, body, given, token=False)
            self._keep(answer.cookies)
            if answer.status not in REDIRECTS:
                return Page(url, answer.status, answer.body, headers=answer.headers)
            url = urljoin(url, answer.headers.get("location", ""))
            method, body, headers = "GET", None, {}
        raise Failed(f"more than {MOST} redirects, the last to {url}")

    def _keep(self, cookies: Sequence[str]) -> None:
        for text in cookies:
            for name, morsel in SimpleCookie(text).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
