"""The screen: the window at the display's own pace, whatever the worlds do, and the keyboard.

On the main thread. Between refreshes the newest frame is made ready; a refresh only shows it, or
the one before again.
"""

import gc
import sys
import time
from collections.abc import Callable

from trainjourney.controls.desk import Desk
from trainjourney.controls.keyboard import Keyboard
from trainjourney.journey.pacing import ScreenPacer
from trainjourney.outputs.window import Window
from trainjourney.types import Change, Frames

_READY_S = 0.005  # what it may take to make a frame ready; less where the last ones took less
_RELIEF = 0.95  # a frame that took long is remembered for some 20 more
_LOOK_S = 0.001  # between looks for a new frame
_SWITCH_S = 0.001  # Python's threads take turns so often: an even window beside a busy network
_NOTED_S = 0.25  # figures that change faster cannot be read


def run_screen(
    window: Window,
    frames: Frames,
    desk: Desk,
    note: Callable[[], str],
    ended: Callable[[], bool],
    flipped: Callable[[int, float], None] = lambda number, now_s: None,
    pressed_too: Callable[[str], bool] = lambda key: False,
    looked: Callable[[float, float], None] = lambda looked_s, period_s: None,
) -> None:
    """Show what comes and hand on what is pressed, until `ended` or the window is closed.

    `flipped` hears of every refresh: the number of the frame that was shown, and when.
    `pressed_too` is asked first whether a key is its own; the overlay shows what comes of it.
    `looked` hears when a frame was last looked for before a refresh, and how far those are apart.
    """
    values = desk.values()

    def heard(change: Change, source: str) -> None:
        values[change.parameter] = change.value

    end = desk.listen(heard)
    keyboard = Keyboard(values)
    pacer = ScreenPacer(window.refresh_hz)
    most_s = ready_s = min(_READY_S, 0.3 / window.refresh_hz)
    number, noted_s = 0, 0.0
    gc.freeze()  # or a look through all that was loaded would stop the window for 70 ms
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        while not ended():
            while (left_s := pacer.wait_s(time.perf_counter())) > 0.0:
                if left_s > ready_s and (found := frames.newest(number)):
                    number = found[0]
                    window.take(found[1])
                    took_s = left_s - pacer.wait_s(time.perf_counter())
                    ready_s = min(max(1.5 * took_s, _RELIEF * ready_s, _LOOK_S), most_s)
                else:
                    time.sleep(min(left_s, _LOOK_S))
            begun_s = time.perf_counter()
            window.flip()
            now_s = time.perf_counter()
            pacer.flipped(begun_s, now_s)
            flipped(number, now_s)
            looked(begun_s - ready_s, pacer.interval_s)
            pressed = window.pump()
            if window.closed:
                break
            for key in pressed:
                if pressed_too(key):
                    window.overlay, noted_s = True, 0.0
                else:
                    keyboard.press(key, time.monotonic())
            for change in keyboard.poll():
                desk.turn(change, "keyboard")
            if now_s - noted_s > _NOTED_S:
                window.note, noted_s = note(), now_s
    finally:
        sys.setswitchinterval(switch_s)
        gc.unfreeze()
        end()
