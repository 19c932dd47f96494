"""The bank: the bundle's looks and the folder's, as they are, or as a thread sees them change."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from trainjourney.errors import TrainjourneyError
from trainjourney.folders import cache_folder
from trainjourney.inference import Bundle, Look, open_embedder
from trainjourney.journey.bank import LooksFolder, own_looks
from trainjourney.settings import Config, LooksConfig
from trainjourney.show.rounds import Rounds

log = logging.getLogger(__name__)

_SETTLED_S = 60.0  # as if a file had been there so long: nothing is waited for
LOOK_S = 0.5  # a picture is seen, seen to be whole, and embedded within two seconds
Changed = Callable[[dict[int, Look]], None]


def read_bank(config: Config, bundle: Bundle) -> dict[int, Look]:
    """The looks by slot as a show of these settings has them by now.

    A picture that is of no use is told of and left out. Raises TrainjourneyError.
    """
    folder = _open_folder(config.looks, bundle, config.engine.backend)
    found = folder.scan(time.time() + _SETTLED_S) if config.looks.folder else None
    return found or own_looks(bundle)


def _open_folder(config: LooksConfig, bundle: Bundle, backend: str) -> LooksFolder:
    return LooksFolder(
        Path(config.folder).expanduser(), bundle, lambda: open_embedder(bundle, backend),
        cache_folder(), with_bundle=config.bundle, set_name=config.set,
        wanted=config.folder != LooksConfig().folder,
    )  # fmt: skip


class FolderWatch(Rounds):
    """From `start` to `close`, `changed` hears in a thread of each bank that is another.

    `ready` is called there once the folder was looked through for the first time.
    """

    def __init__(
        self, config: LooksConfig, bundle: Bundle, backend: str, changed: Changed,
        ready: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        super().__init__("looks", LOOK_S)
        self._folder = _open_folder(config, bundle, backend)
        self._changed = changed
        self._ready: Callable[[], None] | None = ready
        self._told = ""

    def go_round(self) -> None:
        """Scan the folder."""
        try:
            if (looks := self._folder.scan(time.time())) and not self._ended.is_set():
                self._changed(looks)
        except TrainjourneyError as err:
            if str(err) != self._told:
                self._told = str(err)
                log.warning("looks: %s", err)
        if self._ready:
            self._ready()
            self._ready = None
