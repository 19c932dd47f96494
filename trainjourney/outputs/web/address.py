"""The page's address, as others type it."""

import socket

# A listener at all addresses -> the kind it has, one far away of that kind, and this machine's own.
_ROUTES = {
    "": (socket.AF_INET, "192.0.2.1", "127.0.0.1"),
    "0.0.0.0": (socket.AF_INET, "192.0.2.1", "127.0.0.1"),  # noqa: S104
    "::": (socket.AF_INET6, "2001:db8::1", "::1"),  # of IPv6 alone
}


def page_address(host: str, port: int | str) -> str:
    """The URL of a page that listens at `host`."""
    host = reached_at(host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def reached_at(host: str) -> str:
    """The address of this machine that others reach a listener at `host` by."""
    if host not in _ROUTES:
        return host
    family, far, near = _ROUTES[host]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))  # sends nothing: asks the routing table
            return str(probe.getsockname()[0])
    except OSError:
        return near
