"""The page's address, as others type it."""

import socket


def page_address(host: str, port: int | str) -> str:
    """The URL of a page that listens at `host`."""
    host = reached_at(host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def reached_at(host: str) -> str:
    """The address of this machine that others reach a listener at `host` by."""
    if host not in ("0.0.0.0", "::", ""):  # noqa: S104
        return host
    six = host == "::"  # such a listener has no IPv4 address
    family, far, near = (
        (socket.AF_INET6, "2001:db8::1", "::1") if six else (socket.AF_INET, "192.0.2.1", "127.0.0.1")
    )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))  # sends nothing: asks the routing table
            return str(probe.getsockname()[0])
    except OSError:
        return near
