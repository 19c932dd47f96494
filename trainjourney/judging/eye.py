"""The judge's eye: a small network of our own, trained apart from every model that it judges.

What it was trained on and how well it sees stands in eye.toml beside it.
"""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainjourney.errors import BackendError
from trainjourney.types import Frame

from .picture import Floats, shrink

EYE = Path(__file__).with_name("eye.onnx")
BATCH = 8  # frames the graph takes at a time
_CURE = "install trainjourney anew: pip install --force-reinstall ."

Run = Callable[[NDArray[np.uint8]], list[Any]]


@dataclass(frozen=True)
class Seen:
    """What the eye says of n frames."""

    features: Floats  # [n, F] in -1..1
    kinds: Floats  # [n, kinds, columns] chance that such a thing stands there
    family: Floats  # [n, families] chance of every world
    spoilt: Floats  # [n] chance that the picture is blurred, torn or noisy


class Eye:
    """Looks at frames of the judged size."""

    def __init__(self, path: Path = EYE) -> None:
        """Open the network. Raises BackendError."""
        note = path.with_suffix(".toml")
        if not path.is_file() or not note.is_file():
            raise BackendError(f"{path}: the judge's eye is not there; {_CURE}")
        table = tomllib.loads(note.read_text(encoding="utf-8"))
        self.kinds: tuple[str, ...] = tuple(table["kinds"])
        self.families: tuple[str, ...] = tuple(table["families"])
        self._run = _open(path)

    def look(self, smalls: NDArray[np.uint8]) -> Seen:
        """What is in the pictures [n, 128, 256, 3] (see `to_eye`)."""
        parts: list[list[Any]] = []
        for first in range(0, len(smalls), BATCH):
            given = smalls[first : first + BATCH]
            batch = np.zeros((BATCH, *smalls.shape[1:]), np.uint8)
            batch[: len(given)] = given
            parts.append([part[: len(given)] for part in self._run(batch)])
        whole = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Seen(*(np.asarray(column, np.float32) for column in whole))


def to_eye(frame: Frame) -> NDArray[np.uint8]:
    """A frame of the judged size as the eye takes it."""
    return np.round(shrink(frame, 2)).astype(np.uint8)


def _open(path: Path) -> Run:
    """openvino where it is installed, else onnxruntime; f32, so that every machine sees alike."""
    try:
        from trainjourney.inference.quiet_openvino import ov
    except ImportError:
        return _open_onnxruntime(path)
    try:
        compiled = ov.Core().compile_model(
            path, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        )
    except RuntimeError as err:
        raise BackendError(f"{path}: openvino cannot run it ({_short(err)}); {_CURE}") from err
    return lambda frames: [np.array(out) for out in compiled(frames).values()]


def _open_onnxruntime(path: Path) -> Run:
    try:
        import onnxruntime as ort
    except ImportError as err:
        raise BackendError(
            "neither openvino nor onnxruntime is installed here; type: pip install openvino"
        ) from err
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda frames: list(session.run(None, {"frames": frames}))


def _short(err: BaseException) -> str:
    return json.dumps(" ".join(str(err).split())[:160])
