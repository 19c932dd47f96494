"""Where the controls stand, kept on disk while a show plays, so that the next one begins there.

A power cut may take the turns of the last five seconds. Not kept is what belongs to a moment: hold,
blackout, recording, the seed, and whatever else a preset leaves alone. Whoever changes the settings
of the journey means those: then they count, and what was kept does not.
"""

import logging
import tomllib
from pathlib import Path

from trainjourney.controls.desk import Desk
from trainjourney.controls.parameters import PARAMETERS
from trainjourney.controls.presets import LEFT, MOST_BYTES, Values, checked
from trainjourney.errors import ConfigError
from trainjourney.folders import state_folder
from trainjourney.inference import Bundle
from trainjourney.settings import Config, JourneyConfig
from trainjourney.show.departure import Departure, read_departure
from trainjourney.show.rounds import Rounds
from trainjourney.tables import write_table

log = logging.getLogger(__name__)

SAVE_S = 5.0
NOTE = "Where the controls of the last show stood: one with show.resume = true begins there."
_LEFT = (*LEFT, "hold")


class Positions(Rounds):
    """The controls as they stood, and from `keep` to `close` a thread that writes how they do."""

    def __init__(self, journey: JourneyConfig, path: Path | None = None) -> None:
        """`journey` is what the settings say; what was kept for others is nothing."""
        super().__init__("positions", SAVE_S)
        self._path = path or state_folder() / "controls.toml"
        self._journey = journey.model_dump()
        self.values = self._read()  # in the order of their last turns
        self._desk = Desk()
        self._written: list[tuple[str, float | str]] = []
        self._told = ""

    def resume(self, config: Config, bundle: Bundle) -> tuple[Config, Departure]:
        """The settings and the departure of a show that begins there; its desk is still to turn.

        Where the look has left the bank, the settings' own stands. Raises TrainjourneyError as
        `read_departure` does.
        """
        values = self.values
        look = values.get("look", 0.0)
        named = look if isinstance(look, str) else f"{look:g}" if look else ""
        set_to: Values = {n: values[n] for n in ("speed", "dream", "melt_s") if n in values}
        if named:
            try:
                again = _begun(config, {**set_to, "look": named})
                return again, read_departure(again, bundle)
            except ConfigError as err:
                log.warning("%s; beginning in the look of the settings", err)
                del values["look"]
        again = _begun(config, set_to)
        return again, read_departure(again, bundle)

    def keep(self, desk: Desk) -> None:
        """From now on write where the controls of this desk stand."""
        self._desk = desk
        self.start()

    def go_round(self) -> None:
        """Write them, if they stand elsewhere or were turned in another order."""
        now = checked(self._desk.values())
        values = {name: value for name, value in now.items() if name not in _LEFT}
        if [*values.items()] == self._written:
            return
        try:
            write_table(self._path, {"controls": values, "journey": self._journey}, NOTE)
            self._written = [*values.items()]
        except OSError as err:
            reason = (err.strerror or str(err)).lower()
            if reason != self._told:
                self._told = reason
                log.warning("%s: cannot be written (%s)", self._path, reason)

    def close(self) -> None:
        """End; where they stand is on disk then."""
        super().close()
        self.go_round()

    def _read(self) -> Values:
        """What is in the file and can be meant; what cannot be read is told of."""
        path = self._path
        try:
            if path.stat().st_size > MOST_BYTES:
                raise ValueError("is above 4 MB")
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            values = checked(table["controls"])
        except FileNotFoundError:
            return {}
        except OSError as err:
            log.warning("%s: cannot be read (%s)", path, (err.strerror or str(err)).lower())
            return {}
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as err:
            log.warning("%s: does not tell where controls stood (%s); beginning anew", path, err)
            return {}
        if table.get("journey") != self._journey:
            log.info("the journey's settings are others than the last show's; beginning at them")
            return {}
        return {
            name: value
            if isinstance(value, str)
            else PARAMETERS[name.partition(".")[0]].clip(float(value))
            for name, value in values.items()
            if name not in _LEFT
        }


def _begun(config: Config, journey: Values) -> Config:
    return config.model_copy(update={"journey": config.journey.model_copy(update=dict(journey))})
