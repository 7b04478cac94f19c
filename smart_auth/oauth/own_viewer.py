"""The image viewer that this server serves itself: an app like others, but the server registers it and asks no consent.

People who open an image here have asked for it here. The answer can only go to the server's own address, so that nobody
else gains by a decision that is not asked for.
"""

from __future__ import annotations

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.oauth.clients import CODE, REFRESH, Client

ID = "healix-viewer"
NAME = "Image viewer of this server"
PATH = "/ohif/callback"
ASKED = "openid online_access patient/ImagingStudy.crs user/ImagingStudy.crs"
"""What the viewer asks for; of the two last the wider one is granted, so that no patient has to be chosen. It stores
measurements beside the images that they are of.
"""

KEEP = """INSERT INTO client (id, name, auth, scope, redirect_uris, grants) VALUES (%s, %s, 'none', %s, %s, %s)
          ON CONFLICT (id) DO UPDATE SET name = excluded.name, scope = excluded.scope,
                                         redirect_uris = excluded.redirect_uris
          WHERE (client.name, client.scope, client.redirect_uris)
                <> (excluded.name, excluded.scope, excluded.redirect_uris)
          RETURNING id"""


def register_viewer(root: str) -> Work[None]:
    """Register the viewer of the server at `root`, or where it is now."""
    rows = yield Statement(KEEP, (ID, NAME, ASKED, [root + PATH], [CODE, REFRESH]))
    if rows:
        yield record([AuditRow(Origin(ID), "C", "client", query=ASKED)])


def is_own_viewer(client: Client, redirect_uri: str, root: str) -> bool:
    """Whether a request comes from the viewer of the server at `root`, and the answer goes back there."""
    return client.id == ID and redirect_uri == root + PATH
