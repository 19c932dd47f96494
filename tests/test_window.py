"""The window on a real screen: Xvfb, looked at through its own framebuffer."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest
from xvfb import Screen, needs_xvfb, screen

from trainjourney.errors import DisplayError
from trainjourney.outputs.card import has_card
from trainjourney.outputs.overlay import draw_label
from trainjourney.outputs.window import Window, _fit
from trainjourney.settings import WindowConfig
from trainjourney.types import Frame

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 128, 64
RED, BLUE = (200, 40, 30), (20, 60, 220)


@pytest.fixture(scope="module")
def xvfb() -> Iterator[Screen]:
    with screen() as the_screen:
        yield the_screen


@pytest.fixture
def shown(xvfb: Screen, monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("DISPLAY", xvfb.display)
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return xvfb


def halves() -> Frame:
    frame = np.full((HEIGHT, WIDTH, 3), BLUE, np.uint8)
    frame[:, : WIDTH // 2] = RED
    return frame


def press(*keys: int) -> None:
    for key in keys:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key))


def settled(window: Window, the_screen: Screen) -> Frame:
    """The screen, once the server has drawn what it was sent."""
    before = the_screen.picture()
    for _ in range(100):
        window.pump()
        time.sleep(0.03)
        now = the_screen.picture()
        if np.array_equal(before, now):
            break
        before = now
    return now


def box(picture: Frame, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what has that colour."""
    rows, columns = np.nonzero((np.abs(picture.astype(int) - colour) < 8).all(-1))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@needs_xvfb
def test_a_frame_stands_on_the_screen_scaled_and_in_its_colours(shown: Screen) -> None:
    window = Window(WIDTH, HEIGHT, WindowConfig(scale=3.0))
    window.show(halves())
    picture = settled(window, shown)
    window.close()
    left, top, _, bottom = box(picture, RED)
    assert bottom - top == 3 * HEIGHT
    assert box(picture, BLUE)[2] - left == 3 * WIDTH


@needs_xvfb
def test_f_takes_the_whole_screen_with_the_right_shape_and_gives_it_back(shown: Screen) -> None:
    window = Window(WIDTH, HEIGHT, WindowConfig())
    window.show(halves())
    press(pygame.K_f)
    modes = [(window.pump(), window.fullscreen)]
    picture = settled(window, shown)
    assert box(picture, RED)[:2] == (0, 80) and box(picture, BLUE)[2:] == (1280, 720)
    assert not picture[:79].any() and not picture[721:].any()  # the rest is black
    press(pygame.K_f)
    modes.append((window.pump(), window.fullscreen))
    assert modes == [([], True), ([], False)]
    assert pygame.display.get_window_size() == (2 * WIDTH, 2 * HEIGHT)
    window.close()


@needs_xvfb
@pytest.mark.parametrize(
    ("turn", "red", "blue"),
    [(90, (440, 0, 840, 400), (440, 400, 840, 800)),
     (180, (640, 80, 1280, 720), (0, 80, 640, 720)),
     (270, (440, 400, 840, 800), (440, 0, 840, 400))],
)  # fmt: skip
def test_the_picture_is_turned_for_a_screen_that_hangs_upright(
    shown: Screen, turn: int, red: tuple[int, ...], blue: tuple[int, ...]
) -> None:
    """Its left half is red; the note lies in the corner that is its lower left one."""
    window = Window(WIDTH, HEIGHT, WindowConfig(turn=turn, fullscreen=True))
    window.show(halves())
    bare = settled(window, shown)
    window.note = "30.0 fps"
    press(pygame.K_h)
    window.pump()
    noted = settled(window, shown)
    window.close()
    found = (*box(bare, RED), *box(bare, BLUE))
    assert found == pytest.approx((*red, *blue), abs=12)  # red and blue are mixed between them
    rows, columns = np.nonzero(np.abs(noted.astype(int) - bare).max(-1) > 8)
    long, high = (np.ptp(rows), np.ptp(columns)) if turn % 180 else (np.ptp(columns), np.ptp(rows))
    assert long > 2 * high
    left, top, right, bottom = red
    corner = {90: (left, top), 180: (right, top), 270: (right, bottom)}[turn]
    near = (columns.min() if corner[0] == left else columns.max(),
            rows.min() if corner[1] == top else rows.max())  # fmt: skip
    assert near == pytest.approx(corner, abs=20)


@needs_xvfb
def test_a_note_too_long_for_the_window_is_shrunk_to_fit(shown: Screen) -> None:
    window = Window(WIDTH, HEIGHT, WindowConfig(scale=2.0, overlay=True))
    window.show(halves())
    bare = settled(window, shown)
    window.note = "30.0 fps   21 ms p99   gouache spring   speed 1.0   2 viewers"
    window.show(halves())
    noted = settled(window, shown)
    window.close()
    _, columns = np.nonzero(np.abs(noted.astype(int) - bare).max(-1) > 8)
    left, right = box(bare, RED)[0], box(bare, BLUE)[2]
    assert (columns.min() - left, right - columns.max()) == pytest.approx((14, 15), abs=2)


@needs_xvfb
def test_h_lays_the_note_over_the_bottom_left_corner(shown: Screen) -> None:
    window = Window(WIDTH, HEIGHT, WindowConfig(scale=6.0))
    window.note = "30.0 fps   21 ms p99   gouache spring   speed 1.0"
    window.show(halves())
    bare = settled(window, shown)
    press(pygame.K_h)
    window.pump()
    noted = settled(window, shown)
    changed = np.abs(noted.astype(int) - bare).max(-1) > 8
    rows, columns = np.nonzero(changed)
    left, _, _, bottom = box(bare, RED)
    assert left + 10 < columns.min() < left + 30
    assert bottom - 50 < rows.min() and rows.max() < bottom - 10
    assert columns.max() - columns.min() < 400
    press(pygame.K_h)
    window.pump()
    np.testing.assert_array_equal(settled(window, shown), bare)
    window.close()


@needs_xvfb
def test_other_keys_are_handed_on_by_name(shown: Screen) -> None:
    window = Window(WIDTH, HEIGHT, WindowConfig())
    press(pygame.K_UP, pygame.K_3, pygame.K_KP4, pygame.K_SPACE, pygame.K_LEFTBRACKET)
    assert window.pump() == ["up", "3", "4", "space", "["]
    window.close()


@needs_xvfb
def test_a_key_held_down_repeats_only_where_that_helps(shown: Screen) -> None:
    window = Window(WIDTH, HEIGHT, WindowConfig())
    for key in (pygame.K_SPACE, pygame.K_UP) * 3:  # as SDL repeats them: down, down, down
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
    assert window.pump() == ["space", "up", "up", "up"]
    window.close()


@needs_xvfb
@pytest.mark.parametrize("how", ["escape", "cross"])
def test_esc_and_the_cross_close_it(shown: Screen, how: str) -> None:
    window = Window(WIDTH, HEIGHT, WindowConfig())
    if how == "escape":
        press(pygame.K_ESCAPE)
    else:
        pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.pump()
    assert window.closed
    window.close()


@needs_xvfb
@pytest.mark.parametrize("vsync", [True, False])
def test_it_opens_with_and_without_vsync(shown: Screen, vsync: bool) -> None:
    window = Window(WIDTH, HEIGHT, WindowConfig(vsync=vsync, fullscreen=True))
    window.show(halves())
    window.close()


NO_SCREEN = """
import sys
from trainjourney.settings import WindowConfig
from trainjourney.errors import DisplayError
from trainjourney.outputs.window import Window
try:
    Window(64, 32, WindowConfig())
except DisplayError as err:
    print(err)
"""


@pytest.mark.parametrize("display", [None, ":98765"])
def test_without_a_display_one_line_names_the_two_ways_out(display: str | None) -> None:
    gone = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    env = {name: value for name, value in os.environ.items() if name not in gone}
    if display:
        env["DISPLAY"] = display
    command = [sys.executable, "-W", "error", "-c", NO_SCREEN]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT, timeout=60)
    [line] = ended.stdout.splitlines()
    assert "--output film.mp4" in line and "xvfb-run" in line


def test_display_error_is_what_an_operator_sees() -> None:
    assert DisplayError.exit_code == 2


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ((1024, 512), (0, 0, 1024, 512)),
        ((1920, 1080), (0, 60, 1920, 960)),
        ((500, 900), (0, 325, 500, 250)),
        ((900, 100), (350, 0, 200, 100)),
        ((1, 1), (0, 0, 1, 1)),
    ],
)
def test_a_picture_keeps_its_shape_in_any_room(
    room: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert _fit((512, 256), room) == expected


def test_the_label_is_small_and_see_through() -> None:
    label = np.asarray(draw_label("30.0 fps"))
    assert label.shape[0] < 30 and label.shape[1] < 90 and label.shape[2] == 4
    assert label[0, 0, 3] == 0 and 0 < np.median(label[..., 3]) < 140 < label[..., 3].max() < 255


@needs_xvfb
def test_a_server_without_a_card_is_handed_the_picture_and_no_opengl_is_loaded(
    shown: Screen,
) -> None:
    assert not has_card()
    code = NO_SCREEN.replace(
        "Window(64, 32, WindowConfig())",
        "Window(64, 32, WindowConfig())\n"
        "    print('GL' if 'libGL.so' in open('/proc/self/maps').read() else 'by hand')",
    )
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT,
        timeout=60,
    )  # fmt: skip
    assert ended.stdout.split("\n")[0] == "by hand", ended.stderr


def test_a_server_that_cannot_be_asked_is_left_to_sdl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":98765")
    assert has_card()
