"""Who may send OSC and how much of it. Pure: the time is an argument.

A sender within its rate is heard at once. What comes above it is not lost but thinned: the newest
datagram of each address is held until the sender has earned it, so that after a flood every
control stands where it was last put.
"""

import ipaddress
import logging
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from trainjourney.errors import ConfigError

log = logging.getLogger(__name__)

Sender = tuple[str, int]  # host, port
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_HOSTS = 256
MOST_HELD = 128  # datagrams of one host
MOST_STRANGERS = 32  # that are told of


def read_networks(text: str) -> tuple[Network, ...]:
    """The networks in "10.0.0.0/8, ::1". Raises ConfigError."""
    found = []
    for part in text.split(","):
        if part.strip():
            try:
                found.append(ipaddress.ip_network(part.strip(), strict=False))
            except ValueError as err:
                raise ConfigError(
                    f"osc.allow: '{part.strip()[:60]}' is no address or network; "
                    "write it as in 192.168.1.0/24"
                ) from err
    return tuple(found)


@dataclass
class _Host:
    tokens: float
    seen_s: float
    # (port, address) -> the newest datagram; a bundle has a key of its own
    held: "OrderedDict[tuple[int, bytes | int], bytes]" = field(default_factory=OrderedDict)


class Intake:
    """Datagrams in, those that may be heard now out. `counts` tells what became of them."""

    def __init__(self, allow: tuple[Network, ...], rate: float, counts: Counter[str]) -> None:
        self._allow, self._rate, self.counts = allow, rate, counts
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._bundles = 0
        self._strangers: set[str] = set()  # those that were told of

    def admit(self, data: bytes, sender: Sender, now_s: float) -> bool:
        """Whether a datagram may be heard now; else it is held or, from a stranger, let go."""
        host = self._host(sender[0], now_s)
        if host is None:
            self.counts["from a stranger"] += 1
            self._tell_of(sender[0])
            return False
        if host.tokens >= 1.0 and not host.held:
            host.tokens -= 1.0
            return True
        bundle = data.startswith(b"#")
        self._bundles += bundle
        key = (sender[1], self._bundles if bundle else data[: max(data.find(b"\0"), 0)])
        if host.held.pop(key, None) is not None:  # put back at the end: order is of the newest
            self.counts["thinned"] += 1
        elif len(host.held) >= MOST_HELD:
            host.held.popitem(last=False)
            self.counts["thinned"] += 1
        host.held[key] = data
        return False

    def earned(self, now_s: float) -> Iterator[tuple[bytes, Sender]]:
        """What was held and may be heard by now."""
        for name, host in self._hosts.items():
            if host.held:
                self._earn(host, now_s)
                while host.held and host.tokens >= 1.0:
                    host.tokens -= 1.0
                    (port, _), data = host.held.popitem(last=False)
                    yield data, (name, port)

    def charge(self, sender: Sender, messages: int) -> None:
        """A datagram came to more than one message: its sender waits the longer."""
        if host := self._hosts.get(sender[0]):
            host.tokens -= messages

    @property
    def holding(self) -> bool:
        """Whether anything is held."""
        return any(host.held for host in self._hosts.values())

    def _host(self, name: str, now_s: float) -> _Host | None:
        host = self._hosts.get(name)
        if host is None:
            if not self._allowed(name):
                return None
            host = self._hosts[name] = _Host(self._rate / 2, now_s)
            if len(self._hosts) > MOST_HOSTS:
                self._hosts.popitem(last=False)
        else:
            self._hosts.move_to_end(name)
            self._earn(host, now_s)
        return host

    def _earn(self, host: _Host, now_s: float) -> None:
        gained = (now_s - host.seen_s) * self._rate
        host.tokens = min(host.tokens + gained, self._rate / 2)  # half a second's worth at once
        host.seen_s = now_s

    def _allowed(self, name: str) -> bool:
        address = _address(name)
        return address is not None and any(address in network for network in self._allow)

    def _tell_of(self, name: str) -> None:
        if name in self._strangers or len(self._strangers) >= MOST_STRANGERS:
            return
        self._strangers.add(name)
        if address := _address(name):
            allow = ", ".join(map(str, (*self._allow, address)))
            log.warning('osc: %s may not send; give --set osc.allow="%s"', address, allow)


def _address(name: str) -> Address | None:
    """A sender's address without its scope, as IPv4 where it is that; None where it is none."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
