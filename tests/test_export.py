"""The pocket's graphs: what torch says, openvino and onnxruntime say too."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_disk import left_by_kill, small_disk

from trainjourney.errors import TrainingError
from trainjourney.inference import load_bundle, open_engine
from trainjourney.model.graphs import DECODED
from trainjourney.model.ring import NOISE, STATE
from trainjourney.scenery.ride import Ride
from trainjourney.scenery.worlds import WORLDS
from trainjourney.training.export import build_graphs, export_bundle, load_networks

GREY = 3  # levels of 255 by which a mask or a pixel may differ between runtimes in f32
FLOAT = 2e-3


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_parity(pocket_run: Path, pocket_bundle: Path, backend: str) -> None:
    """Start, 20 frames forward and 6 back, decode and embed, each step from torch's own state."""
    graphs = build_graphs(load_networks(pocket_run))
    engine = open_engine(load_bundle(pocket_bundle), backend=backend, precision="f32")
    frame = (Ride(5, WORLDS["coast"]).frame() * 255.0).round().astype(np.uint8)
    with torch.no_grad():
        state = dict(zip(STATE, graphs["encoder"](torch.from_numpy(frame)), strict=True))
        _alike(engine.encode(frame), state)
        rng = torch.Generator().manual_seed(2)
        for i in range(26):
            noise = torch.randn(NOISE, generator=rng)
            speed, dream = (1.3 if i < 20 else -1.0), 0.2
            held = {k: v.numpy() for k, v in state.items()}
            said = engine.predict(held, noise.numpy(), held["origin"], speed, dream)
            following = graphs["predictor"](
                *state.values(), noise, state["origin"], torch.tensor(speed), torch.tensor(dream)
            )
            state = dict(zip(STATE, following, strict=True))
            _alike(said, state)
        given = {**state, "embedding": state["origin"], "speed": torch.tensor(-1.0)}
        seen = graphs["decoder"](*(given[k] for k in DECODED))
        held = {k: v.numpy() for k, v in state.items()}
        decoded = engine.decode(held, held["origin"], -1.0)
        assert np.abs(decoded.astype(int) - seen.numpy()).max() <= GREY
        small = frame[:64, :128].copy()
        said_look = graphs["embedder"](torch.from_numpy(small)).numpy()
        assert np.abs(engine.embed(small) - said_look).max() < FLOAT
    assert int(state["behind"].max()) > 0, "the train went nowhere"


def test_an_export_that_fails_or_was_killed_leaves_nothing(
    pocket_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainjourney.training.export.WORLDS", {"meadow": WORLDS["meadow"]})
    with small_disk(tmp_path / "disk", 48 << 10):
        killed, other = left_by_kill(tmp_path / "disk/mine", "export")
        with pytest.raises(TrainingError, match=r"mine: cannot be written .*; see to space"):
            export_bundle(pocket_run, tmp_path / "disk/mine")
        assert list((tmp_path / "disk").iterdir()) == [other] and not killed.exists()


def _alike(said: dict[str, np.ndarray], state: dict[str, torch.Tensor]) -> None:
    assert set(said) == set(state)
    for name, wanted in state.items():
        got = np.asarray(said[name])
        assert got.dtype == wanted.numpy().dtype and got.shape == tuple(wanted.shape), name
        if got.dtype == np.int32:
            assert (got == wanted.numpy()).all(), name
        elif got.dtype == np.uint8:
            assert np.abs(got.astype(int) - wanted.numpy()).max() <= GREY, name
        else:
            assert np.abs(got - wanted.numpy()).max() < FLOAT, name
