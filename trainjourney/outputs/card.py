"""Whether an X server has a graphics card to draw with; a server in memory (Xvfb, VNC) has none.

SDL shows a window's picture by OpenGL where there is any, and Mesa has one that runs on the
processor: ten times the work of handing the picture to the server, and threads that it takes from
the world.
"""

import ctypes
import os

_OF_CARDS = (b"DRI3", b"DRI2", b"NV-GLX")  # extensions by which a server lends its card


def has_card() -> bool:
    """Ask the server that DISPLAY names. True where it cannot be asked: SDL then does its best."""
    try:
        x11 = ctypes.CDLL("libX11.so.6")  # as SDL names it
    except OSError:
        return True
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    x11.XQueryExtension.argtypes = [ctypes.c_void_p, ctypes.c_char_p, *[ctypes.c_void_p] * 3]
    display = x11.XOpenDisplay(os.environ.get("DISPLAY", "").encode())
    if not display:
        return True
    told = [ctypes.byref(number) for number in (ctypes.c_int() for _ in range(3))]
    found = any(x11.XQueryExtension(display, name, *told) for name in _OF_CARDS)
    x11.XCloseDisplay(display)
    return found
