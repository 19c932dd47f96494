"""The window: frames on this machine's screen, keys from its keyboard. The one owner of pygame.

It keeps to what pygame and pygame-ce share, and lives on the main thread, as SDL asks.
"""

import os
import sys
from pathlib import Path
from typing import Protocol

import numpy as np

from trainjourney.errors import DisplayError
from trainjourney.outputs.card import has_card
from trainjourney.outputs.overlay import draw_label
from trainjourney.types import Frame

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_VIDEO_MINIMIZE_ON_FOCUS_LOSS", "0")  # a click on another screen

import pygame

_REPEATING = {"up", "down", "left", "right", "[", "]", ",", "."}  # held down, they go on
_NO_SCREEN = ("dummy", "offscreen", "evdev")  # SDL drivers that show nothing


class WindowSettings(Protocol):
    """As much of the config as the window needs."""

    @property
    def scale(self) -> float: ...

    @property
    def fullscreen(self) -> bool: ...

    @property
    def turn(self) -> int: ...

    @property
    def vsync(self) -> bool: ...

    @property
    def overlay(self) -> bool: ...


class Window:
    """An Output that shows the newest frame. All its methods belong to the main thread.

    Esc closes it, F takes the whole screen and gives it back, H shows `note` in a corner; other
    keys are handed on by `pump()`.
    """

    def __init__(self, width: int, height: int, settings: WindowSettings) -> None:
        """Open the window for frames of that size. Raises DisplayError."""
        self._frame_size, self._turn = (width, height), settings.turn
        self._shape = (height, width) if self._turn % 180 else (width, height)
        self._size = tuple(round(side * settings.scale) for side in self._shape)
        self._vsync = settings.vsync
        self.fullscreen, self.overlay = settings.fullscreen, settings.overlay
        self.closed = False
        self._note = ""
        self._label: pygame.Surface | None = None  # the note, drawn
        self._picture: pygame.Surface | None = None  # the newest frame
        self._held: set[str] = set()
        try:
            _look_for_screen()
            self._open()
            if pygame.display.get_driver() in _NO_SCREEN and "SDL_VIDEODRIVER" not in os.environ:
                raise pygame.error("no screen found")
        except pygame.error as err:
            pygame.display.quit()
            raise DisplayError(
                f"no window can be opened here ({err}); make a film: trainjourney play "
                "--output film.mp4, or lend it a screen: xvfb-run -a trainjourney play"
            ) from err

    @property
    def note(self) -> str:
        """What the overlay says."""
        return self._note

    @note.setter
    def note(self, text: str) -> None:
        if text != self._note:
            self._note, self._label = text, None

    def show(self, frame: Frame) -> None:
        """Put a frame on the screen, now."""
        self.take(frame)
        self.flip()

    def take(self, frame: Frame) -> None:
        """Make a frame ready, for the next flip."""
        height, width, _ = frame.shape
        assert (width, height) == self._frame_size, (frame.shape, self._frame_size)
        raw = pygame.image.frombuffer(np.ascontiguousarray(frame).data, (width, height), "RGB")
        self._picture = self._turned(raw.convert())
        self._draw()

    def flip(self) -> None:
        """Show what is ready; with vsync, at the screen's next refresh."""
        pygame.display.flip()

    @property
    def refresh_hz(self) -> float:
        """How often the screen shows a new picture; 60 where the system does not say."""
        told = getattr(pygame.display, "get_current_refresh_rate", int)()  # pygame-ce alone has it
        return float(told) if 24 <= told <= 240 else 60.0

    def pump(self) -> list[str]:
        """Take in what happened to the window; returns the keys pressed that are not its own."""
        keys: list[str] = []
        stale = False
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self.closed = True
            elif event.type == pygame.KEYUP:
                self._held.discard(_name(event.key))
            elif event.type == pygame.KEYDOWN:
                key = _name(event.key)
                if key in self._held and key not in _REPEATING:
                    continue
                self._held.add(key)
                if key in ("escape", "f", "h"):
                    self._press(key)
                    stale = True
                else:
                    keys.append(key)
            elif event.type in (pygame.VIDEORESIZE, pygame.VIDEOEXPOSE):
                self._label, stale = None, True
        if stale and not self.closed:
            self._draw()
            self.flip()
        return keys

    def close(self) -> None:
        """Take the window off the screen."""
        self.closed = True
        pygame.display.quit()

    def _press(self, key: str) -> None:
        if key == "escape":
            self.closed = True
        elif key == "h":
            self.overlay = not self.overlay
        else:
            if not self.fullscreen:
                self._size = pygame.display.get_window_size()
            self.fullscreen = not self.fullscreen
            self._open()

    def _open(self) -> None:
        # Anew each time: an old window's place would be kept, and no window manager may mend it.
        pygame.display.quit()
        pygame.display.init()
        pygame.display.set_caption("Trainjourney")
        self._held.clear()
        if pygame.display.get_driver() == "wayland" and not any(Path("/dev/dri").glob("renderD*")):
            # where SDL would end the process
            raise pygame.error("SDL wants a graphics card for Wayland; unset SDL_VIDEODRIVER")
        size, flags, vsync = self._size, pygame.RESIZABLE, self._vsync
        if self.fullscreen:
            size, flags = (0, 0), pygame.FULLSCREEN
        if pygame.display.get_driver() == "x11" and not has_card():
            os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")  # no OpenGL by processor
            vsync = False  # which SDL would open it for
        try:
            pygame.display.set_mode(size, flags, vsync=int(vsync))
        except pygame.error:  # no vsync here: the pacing of the frames is all there is
            pygame.display.set_mode(size, flags)
        pygame.mouse.set_visible(not self.fullscreen)
        pygame.display.set_allow_screensaver(False)
        pygame.key.set_repeat(350, 60)

    def _draw(self) -> None:
        screen = pygame.display.get_surface()
        assert screen is not None, "drawn after close"
        screen.fill((0, 0, 0))
        place = pygame.Rect(_fit(self._shape, screen.get_size()))
        if self._picture:
            pygame.transform.smoothscale(self._picture, place.size, screen.subsurface(place))
        if self.overlay and self._note:
            self._draw_note(screen, place)

    def _draw_note(self, screen: pygame.Surface, place: pygame.Rect) -> None:
        """Into the bottom left corner of the picture, as it is turned."""
        scale = max(1.0, min(screen.get_size()) / 1080)  # as small on a large screen
        if self._label is None:
            label = draw_label(self._note, scale)
            self._label = pygame.image.frombuffer(label.tobytes(), label.size, "RGBA")
        edge, slip = round(14 * scale), self._label
        wide = max((place.height if self._turn % 180 else place.width) - 2 * edge, 1)
        if slip.get_width() > wide:  # a small window
            high = max(round(slip.get_height() * wide / slip.get_width()), 1)
            slip = pygame.transform.smoothscale(slip, (wide, high))
        slip, inner = self._turned(slip), place.inflate(-2 * edge, -2 * edge)
        corners = {0: "bottomleft", 90: "topleft", 180: "topright", 270: "bottomright"}
        corner = corners[self._turn]
        where = slip.get_rect(**{corner: getattr(inner, corner)})
        screen.blit(slip, where.clamp(screen.get_rect()))

    def _turned(self, surface: pygame.Surface) -> pygame.Surface:
        return pygame.transform.rotate(surface, -self._turn) if self._turn else surface


def _fit(picture: tuple[int, int], room: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the largest such picture in the middle of the room."""
    scale = min(room[0] / picture[0], room[1] / picture[1])
    width = max(1, min(room[0], round(picture[0] * scale)))
    height = max(1, min(room[1], round(picture[1] * scale)))
    return (room[0] - width) // 2, (room[1] - height) // 2, width, height


def _name(key: int) -> str:
    """pygame's name of a key; those of the number block by what stands on them."""
    name = str(pygame.key.name(key))
    return name[1:-1] if len(name) == 3 and name[0] + name[-1] == "[]" else name


def _look_for_screen() -> None:
    """Fail early where SDL would only complain: a Linux without a display server or a console."""
    told = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))
    if sys.platform == "linux" and not told and not any(Path("/dev/dri").glob("card*")):
        raise pygame.error("DISPLAY is not set")
