"""The network thread: one asyncio loop for all that serves, listens or sends. And the policy there.

A service that fails is told of in one line and started again after a while; the picture goes on.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping

from trainjourney.errors import TrainjourneyError

log = logging.getLogger(__name__)

Service = Callable[[], Awaitable[None]]  # serves until it is cancelled; may be called again
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0


async def end_tasks() -> None:
    """Cancel all that this loop has still to do, as connections that were left open."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class Network:
    """Runs services by name in a thread, from `start` to `close`."""

    def __init__(self, services: Mapping[str, Service], first_wait_s: float = FIRST_WAIT_S) -> None:
        self._services, self._first_wait_s = services, first_wait_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._ended = asyncio.Event()

    def start(self) -> None:
        """Begin to serve, in the thread."""
        self._thread.start()

    def close(self) -> None:
        """Cancel every service, and wait a moment for them."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(5.0)
        if not self._thread.is_alive():
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve_all())

    async def _serve_all(self) -> None:
        tasks = [asyncio.create_task(self._serve(*item)) for item in self._services.items()]
        await self._ended.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await end_tasks()

    async def _serve(self, name: str, service: Service) -> None:
        wait_s, told = self._first_wait_s, ""
        while True:
            began_s = self._loop.time()
            try:
                await service()
                return
            except TrainjourneyError as err:
                if str(err) != told:  # the same again is no news
                    log.warning("%s: %s; trying again in %.0f s", name, err, wait_s)
                told = str(err)
            except Exception:  # the one place where a fault of ours must not end the show
                log.exception("%s failed; trying again in %.0f s", name, wait_s)
            if self._loop.time() - began_s > LONGEST_WAIT_S:
                wait_s = self._first_wait_s
            await asyncio.sleep(wait_s)
            wait_s = min(2.0 * wait_s, LONGEST_WAIT_S)
