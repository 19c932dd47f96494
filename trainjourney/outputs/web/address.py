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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: asks the routing table
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
