"""Jobs side by side, each in one of several processes on one core."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

Job = tuple[Callable[..., Any], tuple[Any, ...]]  # what to do, of a module, and what it is given


def core_count() -> int:
    """The cores that this process may use."""
    mine = getattr(os, "sched_getaffinity", None)
    return len(mine(0)) if mine else os.cpu_count() or 1


def share(jobs: Sequence[Job], workers: int, show: Callable[[float], None]) -> None:
    """Do every job, on so many processes; the first error ends it. `show` hears the share done.

    Raises what a job does, and BrokenProcessPool where a process was killed.
    """
    workers = min(workers, len(jobs))
    if workers < 2:
        for n, (do, given) in enumerate(jobs):
            do(*given)
            show((n + 1) / len(jobs))
        return
    # not forked: the threads of a decoder or a library do not survive that
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _end_with_parent) as pool:
        with _one_thread():  # all processes begin with the first job
            futures: list[Future[Any]] = [pool.submit(do, *given) for do, given in jobs]
        try:
            for n, future in enumerate(as_completed(futures)):
                future.result()
                show((n + 1) / len(jobs))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """In a worker: whose parent was killed works for nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that begin in here multiply matrices on one core: on all of them they would wait
    for each other (rendering two at once on two cores took three times as long)."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
