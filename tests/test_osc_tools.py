"""OSC over a socket: a flood, liblo's oscsend and oscdump, a Pure Data patch."""

import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from osc_ear import osc_server

from trainjourney.controls.desk import Desk
from trainjourney.controls.osc_message import write_message
from trainjourney.types import Change

needs_liblo = pytest.mark.skipif(not shutil.which("oscsend"), reason="apt install liblo-tools")
needs_pd = pytest.mark.skipif(not shutil.which("pd"), reason="apt install puredata-core")


def until(true: Callable[[], bool], wait_s: float = 10.0) -> bool:
    end_s = time.monotonic() + wait_s
    while not true() and time.monotonic() < end_s:
        time.sleep(0.01)
    return true()


def test_a_real_flood_leaves_the_last_value() -> None:
    desk = Desk()
    with osc_server(desk) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("127.0.0.1", server.port))
        for i in range(4000):
            one.send(write_message("/train/dream", [i / 4000]))
            if i % 50 == 0:
                time.sleep(0.001)
        one.send(write_message("/train/dream", [1.0]))
        assert until(lambda: desk.values()["dream"] == 1.0)
        assert server.counts["taken"] < 4000


@needs_liblo
def test_oscsend_turns_and_oscdump_is_told() -> None:
    desk = Desk()
    with osc_server(desk) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        dump = subprocess.Popen(
            ["oscdump", "-L", str(port)], stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        try:
            assert until(lambda: not _free(port))
            for words in (
                ["/train/subscribe", "i", str(port)],
                ["/train/speed", "f", "1.0"],
                ["/train/look", "s", "dusk"],
                ["/train/hold", "T"],
                ["/train/*ack*", "d", "0.5"],
                ["/train/tap", "I"],
            ):
                subprocess.run(
                    ["oscsend", "127.0.0.1", str(server.port), *words], check=True, timeout=10
                )
            assert until(lambda: server.counts["taken"] == 5)
            now = desk.values()
            assert (now["speed"], now["look"], now["hold"], now["blackout"]) == (2, "dusk", 1, 0.5)
            desk.turn(Change("brake", 0.25, 0.0), "web")
            assert dump.stdout
            lines = ""
            while "/train/brake f 0.25" not in lines:
                lines += dump.stdout.readline()
            assert "/train/brake f 0.250000" in lines and "/train/look s" in lines
        finally:
            dump.kill()
            dump.communicate()


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


PATCH = """#N canvas 0 0 450 300 12;
#X obj 20 20 loadbang;
#X msg 20 50 connect 127.0.0.1 {port};
#X obj 20 140 netsend -u -b;
#X obj 200 20 loadbang;
#X obj 200 45 delay 200;
#X msg 200 80 0.125;
#X obj 200 110 oscformat /train/speed;
#X obj 300 45 delay 600;
#X msg 300 80 \\; pd quit;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 3 0 4 0;
#X connect 3 0 7 0;
#X connect 4 0 5 0;
#X connect 5 0 6 0;
#X connect 6 0 2 0;
#X connect 7 0 8 0;
"""


@needs_pd
def test_a_pure_data_patch_turns_a_control(tmp_path: Path) -> None:
    desk, patch = Desk(), tmp_path / "patch.pd"
    with osc_server(desk) as server:
        patch.write_text(PATCH.format(port=server.port))
        command = ["pd", "-nogui", "-noaudio", "-nomidi", str(patch)]
        subprocess.run(command, capture_output=True, timeout=30)
        assert until(lambda: desk.values()["speed"] == -1.5), server.counts


def test_what_is_sent_to_no_one_troubles_no_one() -> None:
    desk = Desk()
    with osc_server(desk, feedback="127.0.0.1:9, 240.0.0.1:9") as server:
        desk.turn(Change("speed", 0.5, 0.0), "web")
        assert until(lambda: server.counts["not sent"] >= 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(
                b"/train/brake\0\0\0\0,f\0\0" + struct.pack(">f", 1), ("127.0.0.1", server.port)
            )
            assert until(lambda: desk.values()["brake"] == 1.0)
