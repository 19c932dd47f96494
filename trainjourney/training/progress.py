"""Progress of a stage for whoever watches: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


class Watcher(Protocol):
    """Is told how a stage goes."""

    def start(self, name: str) -> None: ...
    def show(self, fraction: float, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


class Silent:
    """Watches nothing; what tests use, and what `progress=None` means."""

    def start(self, name: str) -> None: ...
    def show(self, fraction: float, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


class Bar:
    """A rich bar where `console` is a terminal; else one plain line every `every_s` seconds."""

    def __init__(
        self,
        console: Console | None = None,
        every_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console()
        self._every_s, self._clock = every_s, clock
        self._bar: Progress | None = None
        self._name = ""
        self._next_s = 0.0

    def start(self, name: str) -> None:
        self._name, self._next_s = name, self._clock()
        if not self._console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("{task.fields[stage]}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            refresh_per_second=4,
        )
        self._bar.add_task("", total=1.0, stage=name)
        self._bar.start()

    def show(self, fraction: float, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=fraction, description=text)
        elif self._clock() >= self._next_s:
            self._next_s = self._clock() + self._every_s
            self._line(f"{self._name} {100.0 * fraction:5.1f} % {text}")

    def note(self, text: str) -> None:
        self._line(f"{self._name}: {text}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        self._console.file.flush()
