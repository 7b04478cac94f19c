"""What HTTP clients need for servers that speak no TLS."""

from __future__ import annotations

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""It trusts nobody. Without one, httpx reads the authorities that the machine trusts for each client: 20 ms."""
