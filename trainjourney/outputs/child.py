"""A process of ours beside the show, fed through a pipe; what it tells are lines of JSON.

A library that may fall, or that takes its time, lives there: the show begins it anew, and else does
not feel what becomes of it.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

Feed = Callable[[asyncio.StreamWriter], Awaitable[None]]
Hear = Callable[[Any], None]  # a line that it told

STALLED_S = 5.0  # it is ended where it takes nothing for so long
_END_S = 4.0  # for it to end by itself
_LAST_S = 1.0  # for what it says last: why it ends
_MOST_LINE = 64 * 1024


async def run_child(command: str, feed: Feed, hear: Hear) -> str:
    """Run `trainjourney COMMAND` until it ends, or takes nothing, or either callback fails: why,
    where that is known, else nothing."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trainjourney", command,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_MOST_LINE,
    )  # fmt: skip
    assert process.stdin and process.stdout
    feeding = asyncio.ensure_future(feed(process.stdin))
    hearing = asyncio.ensure_future(_hear(process.stdout, hear))
    try:
        await asyncio.wait({feeding, hearing}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({hearing}, timeout=_LAST_S)
        return _reason(feeding) or _reason(hearing)
    finally:
        feeding.cancel()
        hearing.cancel()
        await asyncio.gather(feeding, hearing, return_exceptions=True)
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _END_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def hand_over(stdin: asyncio.StreamWriter, data: bytes) -> None:
    """Into the pipe. Raises TimeoutError where nobody takes it, ConnectionError at its end."""
    stdin.write(data)
    async with asyncio.timeout(STALLED_S):
        await stdin.drain()


async def _hear(stdout: asyncio.StreamReader, hear: Hear) -> None:
    while line := await stdout.readline():
        try:
            told = json.loads(line)
        except ValueError:
            continue  # a library's chatter
        hear(told)


def _reason(work: "asyncio.Future[None]") -> str:
    """Why it ended, if it has, by a failure that is not its pipe's end."""
    err = work.exception() if work.done() and not work.cancelled() else None
    if isinstance(err, TimeoutError):
        return f"its process took nothing for {STALLED_S:g} s"
    if err is None or isinstance(err, ConnectionError):
        return ""
    return " ".join(f"{type(err).__name__}: {err}".split())
