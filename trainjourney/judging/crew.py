"""A crew films side by side: every film in one of several processes, on its share of the cores.

A film alone waits for itself at every frame; two films on a core each take little more than half
of the time. What is filmed lies in the folder, where the judgement finds it.
"""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from trainjourney.errors import TrainjourneyError
from trainjourney.inference import find_bundle, load_bundle, open_engine
from trainjourney.side_by_side import core_count
from trainjourney.training.progress import Watcher

from .eye import Eye
from .filming import Studio, film_real
from .plan import Plan, Shot

_POLL_S = 0.5
_TELL = 50  # frames
_mine: tuple[Studio, Any, Any] | None = None  # a crew's process: studio, frames made, and all over


def film_plan(
    name: str, report: Path, backend: str, precision: str, plan: Plan, jobs: int, watcher: Watcher
) -> None:  # fmt: skip
    """Film the shots of a bundle, and real country, into the report's folders, `jobs` at a time.

    Raises TrainjourneyError.
    """
    spawn = multiprocessing.get_context("spawn")  # an engine has threads: it cannot be forked
    made, over = spawn.Value("q", 0), spawn.Event()
    given = (name, report / "films", backend, precision, max(1, core_count() // jobs), made, over)
    longest_first = sorted(plan.shots, key=lambda shot: -shot.frames)
    frames = sum(shot.frames for shot in plan.shots)
    with ProcessPoolExecutor(jobs, spawn, _join, given) as crew:
        films = {crew.submit(_film, shot) for shot in longest_first}
        films |= {crew.submit(_film_real, look, plan, report / "real") for look in plan.looks}
        watcher.start(f"{len(films)} films, {jobs} at a time")
        try:
            while films:
                done, films = wait(films, _POLL_S, FIRST_EXCEPTION)
                for film in done:
                    film.result()
                watcher.show(min(made.value / frames, 1.0), f"{made.value} frames")
        except BrokenProcessPool as err:
            raise TrainjourneyError(
                f"{report}: a film's process was killed, by want of memory as a rule; "
                f"give --jobs {max(1, jobs - 1)}, and it goes on"
            ) from err
        finally:
            over.set()  # one that failed is told of at once, not after the films beside it
            watcher.close()
            crew.shutdown(wait=False, cancel_futures=True)


def _join(
    name: str, folder: Path, backend: str, precision: str, threads: int, made: Any, over: Any
) -> None:
    """In a new process of the crew."""
    global _mine
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_go_home, daemon=True).start()
    bundle = load_bundle(find_bundle(name))
    engine = open_engine(bundle, backend, precision, threads)
    _mine = Studio(bundle, engine, Eye(), folder), made, over


def _go_home() -> None:
    """When the judge is gone, even killed: nobody waits for the film any more."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _film_real(look: str, plan: Plan, folder: Path) -> None:
    assert _mine is not None
    film_real(_mine[0].eye, look, plan, folder, lambda share, text: None)


def _film(shot: Shot) -> None:
    assert _mine is not None
    studio, made, over = _mine
    told = 0

    def tell(share: float, text: str) -> None:
        nonlocal told
        if over.is_set():
            raise TrainjourneyError(f"{shot.name}: given up, another film failed")
        number = round(share * shot.frames)
        if number - told >= _TELL or number == shot.frames:
            with made.get_lock():
                made.value += number - told
            told = number

    studio.film(shot, tell)
    tell(1.0, "")
