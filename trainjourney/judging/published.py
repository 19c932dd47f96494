"""judged.toml: the figures that a bundle is published with, and what is worse than they say."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainjourney.errors import BundleError
from trainjourney.tables import write_table

from .aims import MEASURES

FILE = "judged.toml"
SLACK = 0.25  # of a figure: other processors round otherwise, and a dream goes another way
LEAST_SLACK = 0.03  # of figures near 0


def publish(folder: Path, table: Mapping[str, Any]) -> Path:
    """Write the figures of a short judgement (a report's table) beside the bundle."""
    values = {m["name"]: m["value"] for m in table["measures"] if m["value"] is not None}
    facts = {k: table["facts"][k] for k in ("frames", "seeds", "precision")}
    path = folder / FILE
    write_table(path, {"judged": facts, "measures": values})
    return path


def published(folder: Path) -> dict[str, Any]:
    """What the bundle was published with. Raises BundleError."""
    path = folder / FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        assert set(table) >= {"judged", "measures"}
    except (OSError, ValueError, AssertionError) as err:
        raise BundleError(
            f"{path}: has no published figures; "
            f"type: trainjourney judge {folder} --short --precision f32 --publish"
        ) from err
    return table


def worse(told: Mapping[str, float], found: Mapping[str, float | None]) -> list[str]:
    """One line for every measure with an aim that is worse than was told, beyond the slack."""
    lines = []
    for m in MEASURES:
        if m.name not in told or m.aim() == "":
            continue
        value, was = found.get(m.name), told[m.name]
        slack = max(LEAST_SLACK, SLACK * abs(was))
        if value is None or math.isnan(value):
            lines.append(f"{m.name}: was {was:.3g}, now it cannot be measured")
        elif value > was + slack if m.less_is_better else value < was - slack:
            lines.append(f"{m.name}: was {was:.3g}, now {value:.3g}")
    return lines
