"""From the encoder's thread to an asyncio loop: every packet to every viewer, none waits.

A viewer's queue holds a few packets. Where it runs over, all that is in it is let go and the viewer
goes on at the next key frame: one packet missing would spoil the picture until then anyway.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from trainjourney.outputs.encoder import Coded, Shared

AT_ONCE = 3  # viewers who are handed a packet in one turn of the loop
QUEUED = 15  # packets, half a second: a loop that stood still hands over all at once


class Lane:
    """One viewer's packets. Used in the loop only."""

    def __init__(self, ask_key: Callable[[], None], awake: bool = True) -> None:
        """One that is not awake takes nothing until `wake`: its line is not up yet."""
        self._queue: asyncio.Queue[Coded | None] = asyncio.Queue()
        self._ask_key = ask_key
        self._waits_for_key = True
        self._ended, self._awake = False, awake
        self.dropped = 0

    def offer(self, coded: Coded) -> None:
        """Put a packet in, or let it go."""
        if self._ended or not self._awake:
            return
        if self._queue.qsize() >= QUEUED:
            self.dropped += self._queue.qsize()
            while not self._queue.empty():
                self._queue.get_nowait()
            self._waits_for_key = True
            self._ask_key()
        if self._waits_for_key and not coded.key:
            self.dropped += 1
            return
        self._waits_for_key = False
        self._queue.put_nowait(coded)

    def lose(self) -> None:
        """A packet for it was let go before it was offered."""
        self.dropped += 1
        self._waits_for_key = True

    def wake(self) -> None:
        """Take packets from now on, beginning soon with a key frame."""
        if not self._awake:
            self._awake = True
            self._ask_key()

    async def take(self) -> Coded | None:
        """The next packet; None at the end."""
        return await self._queue.get()

    def end(self) -> None:
        """No more packets; whoever waits is told."""
        self._ended = True
        self._queue.put_nowait(None)


class Fanout:
    """All viewers of one encoder. It listens to the encoder only while there is a viewer."""

    def __init__(self, encoder: Shared) -> None:
        self.encoder = encoder
        self._lanes: tuple[Lane, ...] = ()
        self._unlisten: Callable[[], None] | None = None
        self._due: deque[tuple[Lane, Coded]] = deque()
        self._handing_out = False
        self.dropped = 0  # by viewers who have left

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Those who are there."""
        return self._lanes

    def join(self, awake: bool = True) -> Lane:
        """A new viewer's lane; if it is awake, a key frame is on its way."""
        lane = Lane(self.encoder.ask_key, awake)
        self._lanes += (lane,)
        if self._unlisten is None:
            loop = asyncio.get_running_loop()

            def hand_over(coded: Coded) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self._deliver, coded)

            self._unlisten = self.encoder.listen(hand_over)
        elif awake:
            self.encoder.ask_key()
        return lane

    def leave(self, lane: Lane) -> None:
        """The viewer is gone."""
        if lane not in self._lanes:
            return
        self._lanes = tuple(other for other in self._lanes if other is not lane)
        self.dropped += lane.dropped
        lane.end()
        if not self._lanes and self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    def _deliver(self, coded: Coded) -> None:
        if len(self._due) > QUEUED * len(self._lanes):  # the loop sends less than is made
            due, self._due = self._due, deque()
            for lane, _ in due:
                lane.lose()
            self.encoder.ask_key()
        self._due.extend((lane, coded) for lane in self._lanes)
        if not self._handing_out:
            self._hand_out()

    def _hand_out(self) -> None:
        """A few viewers a turn of the loop: aiortc sends a whole frame without a pause, and a key
        frame for all at one go would keep everything else in the loop waiting."""
        for _ in range(min(AT_ONCE, len(self._due))):
            lane, coded = self._due.popleft()
            lane.offer(coded)
        self._handing_out = bool(self._due)
        if self._handing_out:
            asyncio.get_running_loop().call_soon(self._hand_out)
