"""Datagrams that were made to hurt, good ones to be mutilated, and the seeded mutator."""

import random
import struct
import time

from osc_ear import Said

from trainjourney.controls.osc_message import BUNDLE, write_bundle, write_message

NOTE = write_message("/train/speed", [0.5])
HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "size"),
    "64 KiB": (b"/" * 65504, "size"),
    "one byte too few": (NOTE[:-1], "words"),
    "negative element": (BUNDLE + struct.pack(">Qi", 1, -4), "element size"),
    "element of nothing": (BUNDLE + struct.pack(">Qi", 1, 0), "element size"),
    "element beyond the end": (BUNDLE + struct.pack(">Qi", 1, 400) + NOTE, "element size"),
    "bundle cut short": (BUNDLE, "cut short"),
    "deep bundles": (write_bundle(None, [write_bundle(None, [write_bundle(None, [write_bundle(
        None, [write_bundle(None, [NOTE])])])])]), "too deep"),
    "300 messages": (write_bundle(None, [b"/a\0\0"] * 300), "too many messages"),
    "300 bundles": (write_bundle(None, [write_bundle(None, [])] * 300), "too many messages"),
    "address not UTF-8": (b"/\xff\xfe\0,\0\0\0", "UTF-8"),
    "text not UTF-8": (b"/a\0\0,s\0\0\xff\xff\xff\0", "UTF-8"),
    "text without an end": (b"/a\0\0,s\0\0aaaa", "end"),
    "address without an end": (b"/aaa", "end"),
    "no slash": (b"abc\0,\0\0\0", "address"),
    "no comma": (b"/a\0\0f\0\0\0\0\0\0\0", "type tags"),
    "unknown type": (b"/a\0\0,z\0\0", "type tags"),
    "NaN": (write_message("/a")[:4] + b",f\0\0\x7f\xc0\0\0", "finite"),
    "infinite double": (b"/a\0\0,d\0\0\x7f\xf0\0\0\0\0\0\0", "finite"),
    "number cut short": (b"/a\0\0,d\0\0\0\0\0\0", "cut short"),
    "more than said": (NOTE + bytes(4), "more than"),
    "negative blob": (b"/a\0\0,b\0\0\xff\xff\xff\xff", "blob size"),
    "huge blob": (b"/a\0\0,b\0\0\x7f\xff\xff\xff", "blob size"),
    "40 arguments": (b"/a\0\0" + b"," + b"T" * 40 + bytes(3), "too many arguments"),
    "40 brackets and no end": (b"/a\0\0" + b"," + b"[" * 39 + b"i" + bytes(3), "cut short"),
}  # fmt: skip
GOOD = (
    NOTE,
    write_message("/train/look", ["winter dusk"]),
    write_message("/train/pad", [0.25, 0.75]),
    write_message("/train/hold", [True]),
    write_message("/train/speed", ["?"]),
    write_message("/train/*", ["?"]),
    write_message("/train/look/{1,2,3}/[w-x]eight", [0.5, 7, b"blob", 2**40, None]),
    write_message("/train/subscribe", [9001]),
    write_message("/train/" + "*" * 60 + "!", [1]),
    write_message("/train/*/" + "[!a-z]*" * 12, [1]),
    write_bundle(None, [NOTE, write_bundle(1_700_000_100.5, [NOTE, NOTE])]),
    write_bundle(1_700_000_102.0, [NOTE] * 8),
)
CORPUS = (*GOOD, *(data for data, _ in HOSTILE.values()))
_BITS = (
    b"\0", b"\xff", b"/", b"*", b"{", b"}", b"[", b"]", b"!", b",", b"[T]", b",f\0\0",
    b"#bundle\0", b"/train/", b"\x7f\xc0\0\0", b"\xff\xff\xff\xfc", b"\x7f\xff\xff\xff",
    b"\0\0\0\0",
)  # fmt: skip


def mutilated(rng: random.Random) -> bytes:
    """One of the corpus, changed in a few places; often still in words of four bytes."""
    data = bytearray(rng.choice(CORPUS))
    for _ in range(rng.randint(0, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0 if data:
                data[at % len(data)] = rng.randrange(256)
            case 1:
                data[at:at] = rng.choice(_BITS)
            case 2:
                bit = rng.choice(_BITS)
                data[at : at + len(bit)] = bit
            case 3:
                del data[at : at + rng.choice((1, 4, 8))]
            case 4:
                other = rng.choice(CORPUS)
                data[at:at] = other[: rng.randrange(len(other) + 1)]
            case 5:
                data = data * rng.randint(1, 3)
    if rng.random() < 0.7:
        data += bytes(-len(data) % 4)
    return bytes(data)


def _heard(said: Said, data: bytes) -> float:
    """Have a datagram heard; the milliseconds of this thread that it took."""
    said.now_s += 0.01
    begun_s = time.thread_time()  # other work beside it does not count
    try:
        said.send(data)
        said.ear.tick(said.now_s, said.clock_s)
    except BaseException as err:
        err.add_note(f"datagram {data.hex()}")
        raise
    return (time.thread_time() - begun_s) * 1000.0


def fuzz(seed: int, seconds: float, count: int) -> dict[str, float]:
    """Throw mutilated datagrams at an Ear; returns how many, and the most processor
    time that one took.

    Whatever escapes goes to the caller, with the datagram beside it. The rate is so high that
    every one is decoded.
    """
    rng, said = random.Random(seed), Said(rate=100_000)
    worst_ms, worst, thrown, end_s = 0.0, b"", 0, time.perf_counter() + seconds
    while thrown < count and time.perf_counter() < end_s:
        data = mutilated(rng)
        took_ms = _heard(said, data)
        if took_ms > worst_ms:  # what is slow is so again; what stood in its way is not
            took_ms = min(took_ms, _heard(said, data), _heard(said, data))
        if took_ms > worst_ms:
            worst_ms, worst = took_ms, data
        thrown += 1
        said.ear.answers.clear()
        said.heard.clear()
    told = sum(said.ear.counts.values())
    kinds = len(said.ear.counts)
    return {"datagrams": thrown, "told": told, "kinds": kinds, "worst_ms": worst_ms,
            "worst_bytes": len(worst)}  # fmt: skip
