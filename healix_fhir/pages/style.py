"""The look of Healix, for apps that want to look alike: the colours and measures of the pages' style sheet.

Spec: SMART App Launch 2.2 scopes-and-launch-context.html#styling
"""

from __future__ import annotations

import hashlib
from functools import cache

import msgspec
from starlette.requests import Request
from starlette.responses import Response

STYLE = "/oauth/style.json"
LOOK = {
    "color_background": "#f3f6f7",
    "color_error": "#8f1d1d",
    "color_highlight": "#0b6e75",
    "color_modal_backdrop": "#14252b",
    "color_success": "#1d6b3a",
    "color_text": "#14252b",
    "dim_border_radius": "8px",
    "dim_font_size": "16px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif",
    "font_family_heading": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif",
}


@cache
def style_address() -> str:
    """Where the look is; another look has another address, so that apps may keep it."""
    return f"{STYLE}?v={hashlib.sha256(msgspec.json.encode(LOOK)).hexdigest()[:12]}"


async def style(request: Request) -> Response:
    """GET /oauth/style.json"""
    known = request.query_params.get("v") is not None
    cached = "public, max-age=31536000, immutable" if known else "public, max-age=300"
    return Response(msgspec.json.encode(LOOK), media_type="application/json", headers={"Cache-Control": cached})
