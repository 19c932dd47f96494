"""The screen: at the display's pace whatever the worlds do, and keys that turn the desk."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pygame
import pytest
from xvfb import Screen, needs_xvfb, screen

from trainjourney.controls.desk import Desk
from trainjourney.outputs.window import Window
from trainjourney.settings import WindowConfig
from trainjourney.show.screen import run_screen
from trainjourney.types import Frame

pytestmark = needs_xvfb


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    with screen() as the_screen:
        monkeypatch.setenv("DISPLAY", the_screen.display)
        monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        yield the_screen


class Counting:
    """Frames that come one by one as they are asked for, until there are no more."""

    def __init__(self, most: int) -> None:
        self.most, self.number = most, 0

    def newest(self, after: int) -> tuple[int, Frame] | None:
        assert after == self.number
        if self.number == self.most:
            return None
        self.number += 1
        return self.number, np.full((64, 128, 3), self.number % 256, np.uint8)


def press(*keys: int) -> None:
    for key in keys:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key))


def test_it_goes_on_refreshing_where_no_frame_comes(shown: Screen) -> None:
    window, desk, frames = Window(128, 64, WindowConfig(vsync=False)), Desk(), Counting(5)
    flips: list[tuple[int, float]] = []
    notes: list[int] = []

    def note() -> str:
        notes.append(len(flips))
        return f"{len(notes)}"

    def flipped(number: int, now_s: float) -> None:
        flips.append((number, now_s))

    hz = window.refresh_hz
    run_screen(window, frames, desk, note, lambda: len(flips) >= 40, flipped)
    window.close()
    numbers = [number for number, _ in flips]
    assert numbers == sorted(numbers) and numbers[-1] == 5 and numbers.count(5) > 20
    took_s = flips[-1][1] - flips[0][1]
    assert took_s >= 39 / hz - 0.05  # it did not spin
    assert 0 < len(notes) <= took_s / 0.25 + 2


def test_keys_turn_the_desk_and_esc_ends_it(shown: Screen) -> None:
    window, desk = Window(128, 64, WindowConfig()), Desk()
    heard: list[tuple[str, object, str]] = []
    desk.listen(lambda change, source: heard.append((change.parameter, change.value, source)))

    def visit() -> None:
        for keys in ((pygame.K_UP,), (pygame.K_UP, pygame.K_3), (pygame.K_SPACE, pygame.K_n)):
            time.sleep(0.2)
            press(*keys)
        time.sleep(0.2)
        press(pygame.K_ESCAPE)

    visitor = threading.Thread(target=visit)
    visitor.start()
    run_screen(window, Counting(3), desk, str, lambda: False)
    visitor.join()
    assert window.closed
    window.close()
    assert heard == [
        ("speed", 1.1, "keyboard"), ("speed", 1.2, "keyboard"), ("look", 3.0, "keyboard"),
        ("brake", 1.0, "keyboard"), ("departure", 1.0, "keyboard"),
    ]  # fmt: skip
