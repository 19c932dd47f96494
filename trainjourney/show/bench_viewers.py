"""Measuring a show that is watched: what a viewer costs, how soon one sees, what the world keeps.

The show plays as always, in processes of its own. The viewers are aiortc clients in another process
that take the packets apart but decode nothing, for 25 decoders would be measured with it.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpCodecParameters,
    RTCSessionDescription,
    rtcrtpreceiver,
)
from aiortc.contrib.media import MediaBlackhole

from trainjourney.errors import WebError
from trainjourney.machine import processor_name
from trainjourney.settings import EngineConfig
from trainjourney.side_by_side import core_count

READY_S = 120.0
SETTLE_S = 3.0
FIRST_S = 20.0  # a viewer without a frame for so long counts as one who saw none


def bench_viewers(
    engine: EngineConfig, viewers: int, seconds: float, settle_s: float = SETTLE_S
) -> dict[str, Any]:
    """Play, and watch with one and then with `viewers` clients, `seconds` each. Raises WebError.

    What is measured begins `settle_s` after the last of them has come.
    """
    with _playing(engine, viewers) as (url, process):
        with _watching(url, 1, settle_s):
            one = _measure(url, process.pid, seconds)
        with _watching(url, viewers, settle_s) as watchers:
            many = _measure(url, process.pid, seconds)
            firsts = _told(watchers)
    seen = [first for first in firsts if first is not None]
    return {
        "machine": processor_name(),
        "cores": core_count(),
        "viewers": viewers,
        "seconds": seconds,
        "viewers_that_saw": len(seen),
        "first_frame_p50_ms": _percentile(seen, 50),
        "first_frame_p95_ms": _percentile(seen, 95),
        "frames": many["frames"],
        "encodes": many["encodes"],
        "world_fps": many["frames"] / many["seconds"],
        "world_fps_one_viewer": one["frames"] / one["seconds"],
        "show_cpu_percent": many["cpu"],
        "show_cpu_percent_one_viewer": one["cpu"],
        "cpu_percent_per_extra_viewer": (many["cpu"] - one["cpu"]) / max(1, viewers - 1),
        "loop_lag_p99_ms": many["lag_ms"],
        "kbps": many["kbps"],
        "sound_packets": many["sound"],
        "dropped_packets": many["dropped"],
    }


async def watch(url: str, viewers: int) -> None:
    """The viewers' process: says "watching", then at the end of its input who saw what when."""
    firsts: dict[int, float] = {}
    number = -1

    class Counter:
        """Stands where the decoder would: knows that a whole frame came."""

        def __init__(self, viewer: int) -> None:
            self.viewer = viewer

        def decode(self, encoded: object) -> list[Any]:
            firsts.setdefault(self.viewer, time.monotonic())
            return []

    class Deaf:
        """Stands where the sound's decoder would."""

        def decode(self, encoded: object) -> list[Any]:
            return []

    def next_counter(codec: RTCRtpCodecParameters) -> Counter | Deaf:
        nonlocal number
        if codec.mimeType.startswith("audio/"):
            return Deaf()
        number += 1
        return Counter(number)

    rtcrtpreceiver.get_decoder = next_counter  # type: ignore[assignment,attr-defined]
    begun: list[float] = []
    peers: list[RTCPeerConnection] = []
    async with aiohttp.ClientSession() as http:
        for _ in range(viewers):
            begun.append(time.monotonic())
            peers.append(await _open(http, url))
            until_s = time.monotonic() + FIRST_S  # one by one, as they would come
            while len(firsts) < len(peers) and time.monotonic() < until_s:
                await asyncio.sleep(0.01)
        sys.stdout.write("watching\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        waited = [firsts.get(i, 0.0) - at for i, at in enumerate(begun)]
        told = [1000.0 * s if 0.0 < s < FIRST_S else None for s in waited]
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        await asyncio.gather(*(peer.close() for peer in peers))


async def _open(http: aiohttp.ClientSession, url: str) -> RTCPeerConnection:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("video", direction="recvonly")
    peer.addTransceiver("audio", direction="recvonly")  # as the page does
    sink = MediaBlackhole()
    peer.on("track", sink.addTrack)
    await peer.setLocalDescription(await peer.createOffer())
    headers = {"Content-Type": "application/sdp"}
    offer = peer.localDescription.sdp
    async with http.post(url + "/whep", data=offer, headers=headers) as answer:
        text = await answer.text()
        if answer.status != 201:
            raise WebError(f"{url}: {answer.status} {text.strip()}")
    await peer.setRemoteDescription(RTCSessionDescription(text, "answer"))
    await sink.start()
    return peer


@contextmanager
def _playing(engine: EngineConfig, viewers: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A show without a window, as a visitor would start it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "trainjourney", "play", "--port", str(port)]
    sets = {
        **{f"engine.{name}": value for name, value in engine.model_dump().items()},
        "osc.port": 0, "journal.write": "false", "web.requests": 1000,
        "webrtc.viewers": viewers + 5,
    }  # fmt: skip
    command += [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until_s = time.monotonic() + READY_S
        while not _is_ready(url):
            if process.poll() is not None or time.monotonic() > until_s:
                raise WebError(f"no show came up at {url}; try trainjourney play --port {port}")
            time.sleep(0.2)
        yield url, process
    finally:
        process.terminate()
        process.wait(15)


@contextmanager
def _watching(url: str, viewers: int, settle_s: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "trainjourney", "watchers", url, str(viewers)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    try:
        if process.stdout.readline() != "watching\n":
            raise WebError(f"{url}: the viewers could not watch; see the line above")
        time.sleep(settle_s)
        yield process
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def _told(process: subprocess.Popen[str]) -> list[float | None]:
    assert process.stdin and process.stdout
    process.stdin.close()
    told: list[float | None] = json.loads(process.stdout.readline())
    return told


def _measure(url: str, pid: int, seconds: float) -> dict[str, float]:
    """What the show did in so many seconds. CPU in per cent of one core, of the show's process."""
    before, before_s, cpu_s = _status(url), time.monotonic(), _cpu_s(pid)
    time.sleep(seconds)
    after, took_s = _status(url), time.monotonic() - before_s
    encodes = sum(after["encodes"].values()) - sum(before["encodes"].values())
    sent = sum(after["encoded_bytes"].values()) - sum(before["encoded_bytes"].values())
    return {
        "seconds": took_s,
        "frames": after["frame"] - before["frame"],
        "encodes": encodes,
        "cpu": 100.0 * (_cpu_s(pid) - cpu_s) / took_s,
        "lag_ms": 1000.0 * after["loop_lag_p99_s"],
        "kbps": 8.0 * sent / 1000.0 / took_s,
        "sound": after["sound"]["packets"] - before["sound"]["packets"],
        "dropped": after["dropped"]["viewer"] - before["dropped"]["viewer"],
    }


def _cpu_s(pid: int) -> float:
    """Processor time of one process, its children not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/status", timeout=10) as answer:  # noqa: S310
        told: dict[str, Any] = json.load(answer)
        return told


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310
            ready: bool = answer.status == 200
            return ready
    except (urllib.error.URLError, OSError):
        return False


def _percentile(values: list[float], part: float) -> float | None:
    return round(float(np.percentile(values, part)), 1) if values else None
