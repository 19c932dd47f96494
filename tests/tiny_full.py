"""A full model, tiny and at random, brought all the way from a drawn film to a bundle."""

from pathlib import Path

import numpy as np
import torch
from filmed import sliding, write_film

from trainjourney.model.full.parts import fresh_parts
from trainjourney.rides.importer import import_rides
from trainjourney.training.full.base import save_base
from trainjourney.training.full.train import distill, train_full

SHAPE = (128, 64)
LOOK = np.ones(3, np.float32) / np.sqrt(3.0, dtype=np.float32)


def write_ride(folder: Path) -> Path:
    """A ride of 40 frames."""
    film = write_film(folder / "ride.mp4", sliding(2, 40, 5.0, SHAPE))
    import_rides([film], folder / "mine", SHAPE, "test", lambda _: LOOK, lambda f, t: None, 1)
    return folder / "mine"


def train_tiny(ride: Path, folder: Path) -> Path:
    """A tiny model taught, tuned and rolled out, from a base on disk."""
    torch.manual_seed(5)
    save_base(fresh_parts(tiny=True), folder / "base")
    train_full(ride, folder / "run", "tiny", folder / "base")
    distill(folder / "run")
    return folder / "run"
