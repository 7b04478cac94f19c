"""All checks of SMART, by the group of Inferno that they make anew."""

from __future__ import annotations

from conformance.check import Check
from conformance.smart import (
    capabilities,
    discovery,
    form_post,
    granular,
    identity,
    launching,
    leaving,
    refreshing,
    refusals,
    scopes,
    services,
    tokens,
    us_core,
)
from conformance.smart.scene import Scene

GROUPS: dict[str, tuple[Check[Scene], ...]] = {
    "Discovery": discovery.CHECKS,
    "Standalone and EHR launch": launching.CHECKS,
    "Answers by a form": form_post.CHECKS,
    "OpenID Connect": identity.CHECKS,
    "Signing out": leaving.CHECKS,
    "Token refresh": refreshing.CHECKS,
    "Invalid requests": refusals.CHECKS,
    "Introspection and revocation": tokens.CHECKS,
    "Backend services": services.CHECKS,
    "Scopes": scopes.CHECKS,
    "Granular scopes": granular.CHECKS,
    "Capabilities": capabilities.CHECKS,
    "Single patient API": us_core.CHECKS,
}
CHECKS = tuple(check for group in GROUPS.values() for check in group)
