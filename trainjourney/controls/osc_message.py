"""OSC datagrams to messages and back, strict and bounded: every byte may be hostile.

After the OSC 1.0 specification (Wright 2002) with the types of 1.1. A datagram is taken whole or
not at all. The work is linear in its size and the size is limited, so that none can hang the show.
Not known here: SLIP framing, OSC over TCP.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_BYTES = 8192  # of a datagram; a bundle of all controls takes less
MOST_MESSAGES = 256  # in a datagram
MOST_ARGUMENTS = 32  # of a message
MOST_DEPTH = 4  # bundles in bundles
BUNDLE = b"#bundle\0"
IMMEDIATELY = 1  # the time tag that means now
_NTP_TO_UNIX_S = 2_208_988_800  # from 1900 to 1970

Argument = int | float | str | bytes | bool | None
# type tag -> how its bytes are unpacked, big-endian, in words of four bytes
_PACKED = {"i": ">i", "f": ">f", "h": ">q", "d": ">d", "c": ">I", "r": ">I", "m": ">I", "t": ">Q"}
_PLAIN: dict[str, Argument] = {"T": True, "F": False, "N": None, "I": True}  # I: a bang


class BadDatagramError(ValueError):
    """What came is no OSC, or more of it than we take. The text is one of a few, to be counted."""


@dataclass(frozen=True)
class Message:
    """An address or a pattern of addresses, and what is said to it."""

    address: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Timed:
    """A message and when it is meant: Unix time in seconds, or None for now."""

    message: Message
    at_s: float | None = None


def read_datagram(data: bytes) -> list[Timed]:
    """All messages of a datagram in their order. Raises BadDatagramError."""
    if not 0 < len(data) <= MOST_BYTES:
        raise BadDatagramError("size")
    if len(data) % 4:
        raise BadDatagramError("not in words of four bytes")
    return list(_elements(data))


def write_message(address: str, arguments: Sequence[Argument] = ()) -> bytes:
    """One message as a datagram: f or d, i or h, s, b, T, F, N by the values' types."""
    tags, packed = ",", b""
    for value in arguments:
        if isinstance(value, bool) or value is None:
            tags += "N" if value is None else "T" if value else "F"
        elif isinstance(value, int):
            small = -(2**31) <= value < 2**31
            tags += "i" if small else "h"
            packed += struct.pack(">i" if small else ">q", value)
        elif isinstance(value, float):
            small = abs(value) < 3e38
            tags += "f" if small else "d"
            packed += struct.pack(">f" if small else ">d", value)
        elif isinstance(value, str):
            tags += "s"
            packed += _padded(value.encode().split(b"\0")[0])
        else:
            tags += "b"
            packed += struct.pack(">i", len(value)) + value + bytes(-len(value) % 4)
    return _padded(address.encode()) + _padded(tags.encode()) + packed


def write_bundle(at_s: float | None, parts: Sequence[bytes]) -> bytes:
    """A bundle of messages or bundles, meant for a Unix time or, with None, for now."""
    tag = IMMEDIATELY if at_s is None else round((at_s + _NTP_TO_UNIX_S) * 2**32)
    sized = (struct.pack(">i", len(part)) + part for part in parts)
    return BUNDLE + struct.pack(">Q", tag) + b"".join(sized)


def _elements(data: bytes) -> Iterator[Timed]:
    stack: list[tuple[bytes, float | None, int]] = [(data, None, 0)]
    count = 0
    while stack:
        data, at_s, depth = stack.pop()
        count += 1
        if count > MOST_MESSAGES:
            raise BadDatagramError("too many messages")
        if not data.startswith(BUNDLE):
            yield Timed(_message(data), at_s)
            continue
        if depth >= MOST_DEPTH:
            raise BadDatagramError("too deep")
        if len(data) < 16:
            raise BadDatagramError("cut short")
        tag = int.from_bytes(data[8:16], "big")
        at_s = None if tag == IMMEDIATELY else tag / 2**32 - _NTP_TO_UNIX_S
        stack += reversed([(part, at_s, depth + 1) for part in _parts(data)])


def _parts(bundle: bytes) -> Iterator[bytes]:
    at = 16
    while at < len(bundle):
        size = int.from_bytes(bundle[at : at + 4], "big", signed=True)
        at += 4
        if size <= 0 or size % 4 or at + size > len(bundle):
            raise BadDatagramError("element size")
        yield bundle[at : at + size]
        at += size


def _message(data: bytes) -> Message:
    if data[:1] != b"/":
        raise BadDatagramError("no address")
    address, at = _text(data, 0)
    if at == len(data):  # some old senders leave the type tags out where there is nothing to say
        return Message(address)
    tags, at = _text(data, at)
    if tags[:1] != ",":
        raise BadDatagramError("type tags")
    arguments: list[Argument] = []
    for tag in tags[1:]:
        if tag in "[]":  # lists are read as what is in them
            continue
        if len(arguments) >= MOST_ARGUMENTS:
            raise BadDatagramError("too many arguments")
        value, at = _argument(tag, data, at)
        arguments.append(value)
    if at != len(data):
        raise BadDatagramError("more than its types say")
    return Message(address, tuple(arguments))


def _argument(tag: str, data: bytes, at: int) -> tuple[Argument, int]:
    if tag in _PLAIN:
        return _PLAIN[tag], at
    if tag in "sS":
        return _text(data, at)
    if tag == "b":
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        end = at + 4 + size
        if size < 0 or at + 4 > len(data) or end > len(data):
            raise BadDatagramError("blob size")
        return data[at + 4 : end], end + -end % 4
    if tag not in _PACKED:
        raise BadDatagramError("type tags")
    try:
        (value,) = struct.unpack_from(_PACKED[tag], data, at)
    except struct.error as err:
        raise BadDatagramError("cut short") from err
    if isinstance(value, float) and not math.isfinite(value):
        raise BadDatagramError("not a finite number")
    return value, at + struct.calcsize(_PACKED[tag])


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise BadDatagramError("text without an end")
    try:
        text = data[at:end].decode("utf-8")
    except UnicodeDecodeError as err:
        raise BadDatagramError("text not UTF-8") from err
    after = end + 4 - end % 4
    if after > len(data):
        raise BadDatagramError("cut short")
    return text, after


def _padded(text: bytes) -> bytes:
    return text + bytes(4 - len(text) % 4)
