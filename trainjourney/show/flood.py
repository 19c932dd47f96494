"""A flood of OSC from a process of its own, for the bench: many messages, the last one known."""

import socket
import time

from trainjourney.controls.osc_message import write_message
from trainjourney.controls.parameters import PARAMETERS

_GULP_S = 0.005


def flood(port: int, rate: int, seconds: float) -> int:
    """Send `rate` messages a second to every number of the table by turns; returns how many.

    The last one of each puts it where it is by default, so that the show looks as before.
    """
    numbers = [p for p in PARAMETERS.values() if p.kind == "number" and not p.slots]
    steered = [p for p in numbers if p.group in ("train", "pad") and p.name != "seed"]
    sent, begun_s = 0, time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        while (past_s := time.monotonic() - begun_s) < seconds:
            while sent < rate * past_s:
                parameter = steered[sent % len(steered)]
                value = (sent * 37 % 101) / 100.0
                one.sendto(write_message(parameter.osc, [value]), ("127.0.0.1", port))
                sent += 1
            time.sleep(_GULP_S)
        for parameter in steered:
            message = write_message(f"{parameter.osc}/raw", [parameter.default])
            one.sendto(message, ("127.0.0.1", port))
    return sent + len(steered)
