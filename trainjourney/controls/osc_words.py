"""OSC in words, for the command line: the list of addresses, messages as text and from text."""

import socket
import time
from collections.abc import Iterator, Sequence

from trainjourney.controls.osc import SUBSCRIBE, open_socket
from trainjourney.controls.osc_feedback import LEASE_S
from trainjourney.controls.osc_message import (
    Argument,
    BadDatagramError,
    Message,
    read_datagram,
    write_message,
)
from trainjourney.controls.osc_table import ADDRESSES, Address
from trainjourney.controls.parameters import SLOTS
from trainjourney.errors import ControlError
from trainjourney.settings import OscConfig

ANSWER_S = 1.0  # an answer takes no longer, or there is no show
MORE_S = 0.3  # from one answer to the next


def list_lines(everything: bool) -> Iterator[str]:
    """One line an address: path, what it takes, what it is for. Slots in one unless all."""
    for address in ADDRESSES.values():
        path = address.path
        slot = next((part for part in path.split("/") if part.isdecimal()), "")
        if not everything:
            if slot not in ("", "1") or address.raw:
                continue
            path = path.replace("/1", f"/1..{SLOTS}")
        yield f"{path:<28} {_takes(address):<24} {address.help}"


def _takes(address: Address) -> str:
    p = address.parameters[0]
    if address.triggers:
        return "1, or nothing"
    if len(address.controls) > 1:
        return "0..1 and 0..1"
    if p.kind == "toggle":
        return "0 or 1"
    limits = f"{_number(p.low)}..{_number(p.high)}"
    if p.named:
        return f"{limits} or a name"
    if p.kind == "number" and not address.raw:
        return "0..1" if (p.low, p.high) == (0.0, 1.0) else f"0..1 ({limits} {p.unit})"
    return f"{limits} {p.unit}".strip()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def in_words(message: Message) -> str:
    """A message as one line of text; what cannot be printed is escaped."""
    said = " ".join(_word(argument) for argument in message.arguments)
    return f"{ascii(message.address)[1:-1]} {said}".strip()


def _word(argument: Argument) -> str:
    if isinstance(argument, bytes):
        return f"({len(argument)} bytes)"
    if isinstance(argument, float):
        return f"{argument:.6g}"
    return repr(argument) if isinstance(argument, str) else str(argument).lower()


def from_words(words: Sequence[str]) -> list[Argument]:
    """The arguments that words on a command line stand for."""
    return [_argument(word) for word in words]


def _argument(word: str) -> Argument:
    if word in ("true", "false"):
        return word == "true"
    try:
        value = float(word)
    except ValueError:
        return word
    return int(value) if word.lstrip("+-").isdecimal() and abs(value) < 2**53 else value


def monitor_lines(config: OscConfig, port: int, show: str | None) -> Iterator[str]:
    """What arrives at the port, a line each; or what the show at `show` tells. Never ends."""
    with open_socket(config.host, 0 if show else port, "--port 9001") as one:
        one.settimeout(1.0)
        asked_s = float("-inf")
        yield f"listening to the show at {show}:{port}" if show else f"listening at port {port}"
        while True:
            now_s = time.monotonic()
            if show and now_s - asked_s > LEASE_S / 2:
                one.sendto(write_message(SUBSCRIBE), (show, port))
                asked_s = now_s
            try:
                data, sender = one.recvfrom(65535)
            except (TimeoutError, ConnectionError):
                continue
            yield from _heard(data, f"{sender[0]}:{sender[1]}")


def _heard(data: bytes, sender: str) -> Iterator[str]:
    try:
        for timed in read_datagram(data):
            late = f"  at {timed.at_s:.3f}" if timed.at_s is not None else ""
            yield f"{sender}  {in_words(timed.message)}{late}"
    except BadDatagramError as err:
        yield f"{sender}  {len(data)} bytes that are no OSC: {err}"


def send_words(address: str, words: Sequence[str], host: str, port: int) -> Iterator[str]:
    """Send one message; where it asks, the answers as lines. Raises ControlError."""
    if not address.startswith("/"):
        raise ControlError(f"'{address[:60]}' is no OSC address; write it as in /train/speed")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        try:
            one.sendto(write_message(address, from_words(words)), (host, port))
        except OSError as err:
            reason = (err.strerror or str(err)).lower()
            raise ControlError(
                f"osc: cannot send to {host}:{port} ({reason}); give --host and --port of the show"
            ) from err
        if list(words) != ["?"]:
            return
        answers = 0
        one.settimeout(ANSWER_S)
        while True:
            try:
                data, _ = one.recvfrom(65535)
            except (TimeoutError, ConnectionError) as err:
                if answers:
                    return
                raise ControlError(
                    f"osc: no answer from {host}:{port} about {address}; is a show running there, "
                    "and does trainjourney osc list know the address?"
                ) from err
            one.settimeout(MORE_S)
            for timed in read_datagram(data):
                answers += 1
                yield in_words(timed.message)
