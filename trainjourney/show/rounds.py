"""A thread that looks after something beside the show, again and again."""

import threading
from abc import ABC, abstractmethod


class Rounds(ABC):
    """From `start` to `close` it makes a round, at once and then every so often."""

    def __init__(self, name: str, every_s: float) -> None:
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, once a round that is being made is done."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    @abstractmethod
    def go_round(self) -> None:
        """What is to be done each time, in the thread."""

    def _run(self) -> None:
        while True:
            self.go_round()
            if self._ended.wait(self._every_s):
                return
