"""OSC messages: what real senders write is read, what they read is written, the rest is refused."""

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from osc_corpus import HOSTILE
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from trainjourney.controls.osc_message import (
    MOST_BYTES,
    BadDatagramError,
    Message,
    read_datagram,
    write_bundle,
    write_message,
)

ARGUMENTS = st.lists(
    st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
        st.binary(min_size=1, max_size=40),
        st.booleans(),
        st.none(),
    ),
    max_size=8,
)


@given(ARGUMENTS)
def test_what_is_written_is_read_by_us_and_by_python_osc(arguments: list[object]) -> None:
    data = write_message("/train/speed", arguments)  # type: ignore[arg-type]
    [timed] = read_datagram(data)
    assert timed.message == Message("/train/speed", tuple(arguments))  # type: ignore[arg-type]
    other = OscMessage(data)
    assert (other.address, other.params) == ("/train/speed", arguments)


def test_what_python_osc_writes_is_read() -> None:
    builder = OscMessageBuilder("/train/look")
    for value, tag in ((1, "i"), (0.5, "f"), (0.25, "d"), (2**40, "h"), ("dusk", "s"), (b"x", "b")):
        builder.add_arg(value, tag)
    for flag in (True, False, None):
        builder.add_arg(flag)
    [timed] = read_datagram(builder.build().dgram)
    assert timed.message.arguments == (1, 0.5, 0.25, 2**40, "dusk", b"x", True, False, None)


def test_bundles_are_read_in_their_order_with_their_times() -> None:
    now_s = time.time()
    one, two, three = (write_message(f"/{name}", [1]) for name in ("a", "b", "c"))
    data = write_bundle(None, [one, write_bundle(now_s + 0.5, [two]), three])
    found = read_datagram(data)
    assert [timed.message.address for timed in found] == ["/a", "/b", "/c"]
    assert found[0].at_s is None and found[2].at_s is None
    assert found[1].at_s == pytest.approx(now_s + 0.5, abs=1e-5)
    assert OscBundle(write_bundle(None, [one, three])).num_contents == 2
    builder = OscBundleBuilder(now_s)  # type: ignore[arg-type]
    builder.add_content(OscMessageBuilder("/d").build())
    assert read_datagram(builder.build().dgram)[0].at_s == pytest.approx(now_s, abs=1e-3)


def test_a_message_without_type_tags_says_nothing() -> None:
    assert read_datagram(b"/tap\0\0\0\0")[0].message == Message("/tap")


def test_a_bang_is_true_and_a_list_is_what_is_in_it() -> None:
    assert read_datagram(b"/tap\0\0\0\0,I\0\0")[0].message.arguments == (True,)
    data = b"/a\0\0,[iT]\0\0\0" + struct.pack(">i", 7)
    assert read_datagram(data)[0].message.arguments == (7, True)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_osc_is_refused_with_a_reason(name: str) -> None:
    data, reason = HOSTILE[name]
    with pytest.raises(BadDatagramError, match=reason):
        read_datagram(data)


def test_a_datagram_of_the_largest_size_is_read() -> None:
    blob = bytes(MOST_BYTES - 4 - 4 - 4)
    [timed] = read_datagram(write_message("/a", [blob]))
    assert timed.message.arguments == (blob,)
