"""Honest fakes for the loop: an engine that does as it is told, a bundle's manifest around it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trainjourney.errors import BackendError
from trainjourney.inference import GaveWay, Manifest, Overtaken, never
from trainjourney.types import Embedding, Frame, State

WIDTH, HEIGHT, SIZE = 64, 32, 4


def scripted_manifest(width: int = WIDTH, height: int = HEIGHT, **more: object) -> Manifest:
    return Manifest.model_validate(
        {
            "format": 1,
            "name": "scripted",
            "licence": "Apache-2.0",
            "frame": {"width": width, "height": height, "fps": 30},
            "embedding": {"size": SIZE, "picture_width": 16, "picture_height": 8},
            "noise": {"shape": [3, 2]},
            "ranges": {"speed": [-2.0, 2.0], "dream": [0.0, 1.0], "travel_px": 6.0},
            "state": [
                {"name": "place", "shape": [1], "dtype": "float32"},
                {"name": "picture", "shape": [height, width, 3], "dtype": "uint8"},
            ],
            "files": {},
            **more,
        }
    )


class ScriptedEngine:
    """A picture that rolls by 6 px a frame at speed 1, lit by the noise.

    `script` is asked before each predict, with its number from 0: "" to do well, "nan", "fail".
    Overtaken, it gives way at the end of a predict or a decode.
    """

    backend, precision = "scripted", "f32"

    def __init__(
        self,
        script: Callable[[int], str] = lambda number: "",
        looks_ahead: bool = False,
        side_by_side: bool = False,
    ) -> None:
        self.script, self.looks_ahead, self.side_by_side = script, looks_ahead, side_by_side
        self.predicts = self.decodes = 0
        self.noises: list[NDArray[np.float32]] = []
        self.speeds: list[float] = []
        self.dreams: list[float] = []

    def encode(self, frame: Frame) -> State:
        return {"place": np.zeros(1, np.float32), "picture": frame.copy()}

    def predict(
        self,
        state: State,
        noise: NDArray[np.float32],
        embedding: Embedding,
        speed: float,
        dream: float,
        overtaken: Overtaken = never,
    ) -> State:
        told = self.script(self.predicts)
        self.predicts += 1
        self.noises.append(noise)
        self.speeds.append(speed)
        self.dreams.append(dream)
        if told == "fail":
            raise BackendError("the script says so")
        if overtaken():
            raise GaveWay
        place = state["place"] + np.float32(np.nan if told == "nan" else 6.0 * speed)
        return {"place": place, "picture": state["picture"]}

    def decode(
        self, state: State, embedding: Embedding, speed: float, overtaken: Overtaken = never
    ) -> Frame:
        self.decodes += 1
        if overtaken():
            raise GaveWay
        place = float(state["place"][0]) + (6.0 * speed if self.looks_ahead else 0.0)
        return np.roll(state["picture"], -round(place), axis=1)

    def embed(self, picture: Frame) -> Embedding:
        return np.array([1, 0, 0, 0], np.float32)
