"""Health tells of the picture's age, and counts for people and for Prometheus; nobody stalls it."""

import re
import socket
import time

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving import served, wait_for

from trainjourney.outputs.testcard import TestCard
from trainjourney.outputs.web import jpegs
from trainjourney.outputs.web.health import FRESH_S, FrameAge
from trainjourney.types import Frame


class Halting:
    """A test card that can be stopped."""

    def __init__(self) -> None:
        self.card, self.stopped = TestCard(256, 128, 30.0), False

    def newest(self, after: int) -> tuple[int, Frame] | None:
        return None if self.stopped else self.card.newest(after)


def test_the_process_lives_and_the_picture_is_fresh_or_not() -> None:
    frames = Halting()
    frames.stopped = True
    with served(frames) as page:
        assert page.ask("GET", "/healthz").status == 200
        none = page.ask("GET", "/readyz")
        assert none.status == 503 and "not there yet" in none.text
        frames.stopped = False
        wait_for(lambda: page.ask("GET", "/readyz").status == 200)
        frames.stopped = True
        page.server.age.new_s = time.monotonic() - FRESH_S - 1.0
        old = page.ask("GET", "/readyz")
        assert old.status == 503 and old.text == "the newest frame is 3 s old\n"


def test_a_world_that_is_gone_is_not_ready_though_the_picture_moves() -> None:
    told = {"world": "lost", "frame": 90, "age_ms": 5000.0}
    with served(status=lambda: told) as page:
        wait_for(lambda: page.server.age.number > 3)
        assert page.ask("GET", "/readyz").status == 503
        assert page.ask("GET", "/status").data["frame_age_s"] == 5.0
        told["age_ms"] = 30.0
        assert page.ask("GET", "/readyz").status == 200


def test_the_age_is_counted_from_when_a_frame_was_seen() -> None:
    now, frames = [10.0], Halting()
    age = FrameAge(frames, lambda: now[0])
    assert age.age_s == float("inf")
    age.look()
    now[0] = 11.5
    frames.stopped = True
    age.look()
    assert age.age_s == 1.5


def test_prometheus_reads_the_metrics() -> None:
    with served(status=lambda: {"fps": 29.5, "world": "playing", "restarts": 2}) as page:
        wait_for(lambda: page.server.age.number > 10)
        text = page.ask("GET", "/metrics").text
        families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert samples["trainjourney_frames_total",] > 10
    assert samples["trainjourney_fps",] == 29.5 and samples["trainjourney_restarts",] == 2
    assert samples["trainjourney_viewers",] == 0
    assert samples["trainjourney_refused", "token"] == 0
    assert samples["trainjourney_frame_interval_seconds_count",] > 5
    assert 1e7 < samples["trainjourney_rss_bytes",] < 1e10
    assert not re.search(r"\d+\.\d+\.\d+\.\d+", text)  # nobody's address


class Snow:
    """Frames that are large as JPEGs, so that a line is soon full."""

    def __init__(self) -> None:
        self.frame = np.random.default_rng(0).integers(0, 255, (1080, 1920, 3), np.uint8)

    def newest(self, after: int) -> tuple[int, Frame] | None:
        return after + 1, self.frame


def test_a_jpeg_viewer_that_stalls_is_let_go_and_others_see_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jpegs, "STALLED_S", 0.5)
    with served(Snow()) as page:
        line = socket.create_connection(("127.0.0.1", page.port))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(b"GET /stream.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: page.server.jpegs.watching == 1)
        assert page.ask("GET", "/frame.jpg").body[:2] == b"\xff\xd8"
        wait_for(lambda: page.server.jpegs.watching == 0, 20.0)
        assert page.server.jpegs.stalled == 1
        line.close()
