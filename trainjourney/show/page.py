"""The page beside a show: what it is given of the stage, and what joins it there."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import EAI_AGAIN, getaddrinfo
from typing import Any

from aiohttp import web

from trainjourney.errors import WebError
from trainjourney.journey.picture import load_picture
from trainjourney.outputs.publishing import Publishing, check_publish
from trainjourney.outputs.recording import Recording
from trainjourney.outputs.web.driving import PresetsOf
from trainjourney.outputs.web.server import Root, Server, Show, check_page
from trainjourney.settings import Config
from trainjourney.show.network import Service
from trainjourney.show.stage import Stage


def check(config: Config) -> None:
    """Refuse what can be seen to be wrong before the train departs. Raises WebError."""
    try:
        getaddrinfo(config.web.listen, None)
    except (OSError, UnicodeError) as err:  # the latter of a name that is too long to be one
        if getattr(err, "errno", None) != EAI_AGAIN:  # nobody to ask yet: the page tries again
            raise WebError(
                f"--listen {config.web.listen}: is no address; "
                "give one of this machine's, or 0.0.0.0"
            ) from err
    check_page(config.web, config.webrtc)
    check_publish(config.publish)


def page_service(
    config: Config,
    stage: Stage,
    fps: float,
    routes: Sequence[web.AbstractRouteDef] = (),
    root: Root | None = None,
    more: Sequence[Callable[[], Mapping[str, Any]]] = (),
    presets: PresetsOf = list,
) -> Service:
    """The page as a service of the network thread; `routes` are further doors beside it.

    `root` answers what is asked of / by others than browsers; `more` is counted with the page's.
    """

    def status() -> dict[str, Any]:
        return {**stage.status(), "look": stage.desk.values()["look"]}

    async def serve_page() -> None:
        counts: list[Any] = list(more)
        looks = config.looks  # a set has the looks that it has
        folder = Path(looks.folder).expanduser() if looks.folder and not looks.set else None
        show = Show(
            stage.frames, stage.desk, fps, load_picture, lambda: stage.keeper.looks, status,
            folder, stage.pace, counts, presets,
        )  # fmt: skip
        server = Server(show, config.web, config.webrtc)
        await server.start(routes, root)
        encoder = server.encoders["h264"]
        recording = Recording(encoder, stage.frames, stage.desk, config.recording)
        counts.append(recording.counts)
        publishing = None
        with ExitStack() as stack:
            recording.start()
            stack.callback(recording.close)
            if config.publish.url:
                publishing = Publishing(server.fanouts["h264"], config.publish)
                counts.append(publishing.counts)
            try:
                await (publishing.run() if publishing else asyncio.Event().wait())
            finally:
                with suppress(asyncio.CancelledError):
                    await server.close()

    return serve_page
