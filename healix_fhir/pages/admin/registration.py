"""The form in which an app's registration is written, and what it says.

Spec: RFC 7591 2
"""

from __future__ import annotations

from dataclasses import dataclass

from healix_fhir.kernel.language.catalogue import Words
from healix_fhir.pages.gate import Fields, one
from smart_auth.oauth.clients import Client, NewClient

METHODS = Words(
    {
        "none": "Public app: in a browser or on a phone, without a secret",
        "client_secret_basic": "Secret, sent as HTTP Basic",
        "client_secret_post": "Secret, sent in the form",
        "private_key_jwt": "Key of its own (also for backend services)",
    }
)
GRANTS = Words(
    {
        "authorization_code": "People let it in",
        "refresh_token": "It may keep access",
        "client_credentials": "It comes by itself (backend service)",
    }
)


@dataclass(frozen=True, slots=True)
class Filled:
    """The fields of the form as text; redirect URIs and addresses after signing out one a line."""

    name: str
    scope: str
    redirect_uris: str
    grants: tuple[str, ...]
    launch_uri: str
    jwks_uri: str
    jwks: str
    post_logout_redirect_uris: str = ""


EMPTY = Filled("", "launch/patient openid fhirUser patient/*.rs", "", (), "", "", "")


def filled(fields: Fields) -> Filled:
    """What was sent."""
    return Filled(
        one(fields, "name"),
        " ".join(one(fields, "scope").split()),
        one(fields, "redirect_uris"),
        tuple(fields.get("grant", ())),
        one(fields, "launch_uri"),
        one(fields, "jwks_uri"),
        one(fields, "jwks"),
        one(fields, "post_logout_redirect_uris"),
    )


def written(client: Client) -> Filled:
    """A registration as it is shown in the form."""
    return Filled(
        client.name,
        client.scope,
        "\n".join(client.redirect_uris),
        client.grants,
        client.launch_uri or "",
        client.jwks_uri or "",
        client.jwks or "",
        "\n".join(client.post_logout_redirect_uris),
    )


def registration(form: Filled, auth: str) -> NewClient:
    """What the form says."""
    return NewClient(
        name=form.name,
        scope=form.scope,
        auth=auth,
        redirect_uris=tuple(form.redirect_uris.split()),
        grants=form.grants,
        jwks=form.jwks or None,
        jwks_uri=form.jwks_uri or None,
        launch_uri=form.launch_uri or None,
        post_logout_redirect_uris=tuple(form.post_logout_redirect_uris.split()),
    )
