"""The network that a caller's address stands for wherever callers are counted."""

from __future__ import annotations

import ipaddress


def network(address: str | None) -> str:
    """An IPv4 address itself; of an IPv6 address its /64, which one subscriber has; of anything else what it is."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
