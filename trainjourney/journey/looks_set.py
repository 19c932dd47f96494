"""A set of looks: which pictures of a folder, in which slots, under which names. TOML."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainjourney.controls.parameters import SLOTS
from trainjourney.errors import PictureError
from trainjourney.tables import write_table

MOST_BYTES = 1 << 20


class SetLook(BaseModel):
    """One look of a set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: int = Field(ge=1, le=SLOTS)
    file: str = Field(min_length=1, max_length=255, pattern=r"^[^/\\\x00]+$")  # never a path
    name: str = Field(min_length=1, max_length=100)


def read_set(path: Path) -> list[SetLook]:
    """The looks of a set, by slot. Raises PictureError."""
    hint = "mend it, or save it again with trainjourney looks save"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise PictureError(f"{path}: is no set of looks (above 1 MB); {hint}")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        looks = [SetLook.model_validate(one) for one in table["look"]]
    except FileNotFoundError as err:
        raise PictureError(f"{path}: no such set; save it with trainjourney looks save") from err
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise PictureError(f"{path}: cannot be read ({reason}); {hint}") from err
    except ValidationError as err:
        told = err.errors(include_url=False)[0]
        where = ".".join(str(part) for part in told["loc"])
        raise PictureError(f"{path}: a look's {where}: {told['msg']}; {hint}") from err
    except (KeyError, TypeError) as err:
        raise PictureError(f"{path}: has no [[look]]; {hint}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as err:
        raise PictureError(f"{path}: is not TOML ({err}); {hint}") from err
    for kind in ("slot", "file"):
        values = [getattr(look, kind) for look in looks]
        if twice := next((value for value in values if values.count(value) > 1), None):
            raise PictureError(f"{path}: {kind} {twice} is there twice; {hint}")
    return sorted(looks, key=lambda look: look.slot)


def write_set(path: Path, looks: list[SetLook]) -> None:
    """Save a set. Raises PictureError."""
    try:
        write_table(path, {"look": [look.model_dump() for look in looks]})
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise PictureError(f"{path}: cannot be written ({reason})") from err
