"""The pocket's graphs: what torch says, openvino and onnxruntime say too."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_tensors import one_thread  # noqa: F401

from trainjourney.inference import load_bundle, open_engine
from trainjourney.model.ring import NOISE, STATE
from trainjourney.scenery.ride import Ride
from trainjourney.scenery.worlds import WORLDS
from trainjourney.training.checkpoint import save_weights
from trainjourney.training.export import build_graphs, export_bundle
from trainjourney.training.options import remember_options
from trainjourney.training.pocket import STAGE_OF, fresh_networks
from trainjourney.training.presets import PRESETS

GREY = 3  # levels of 255 by which a mask or a pixel may differ between runtimes in f32
FLOAT = 2e-3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as training leaves it, with random networks of the tiny preset."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(3)
    networks = fresh_networks(PRESETS["tiny"])
    with torch.no_grad():
        for basis in networks["codec"].basis:  # type: ignore[union-attr]
            basis.copy_(torch.linalg.qr(torch.randn(basis.shape[1], basis.shape[0]))[0].T)
    remember_options(folder, {"preset": "tiny"})
    for name, network in networks.items():
        (folder / STAGE_OF[name]).mkdir()
        save_weights(folder / STAGE_OF[name] / "weights.safetensors", {name: network})
    return folder


@pytest.fixture(scope="module")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run, exported with one world's look."""
    out = tmp_path_factory.mktemp("engines") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainjourney.training.export.WORLDS", {"meadow": WORLDS["meadow"]})
        export_bundle(run, out)
    return out


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_parity(run: Path, bundle: Path, backend: str) -> None:
    """Start, 20 frames forward and 6 back, decode and embed, each step from torch's own state."""
    from trainjourney.training.export import load_networks

    graphs = build_graphs(load_networks(run))
    engine = open_engine(load_bundle(bundle), backend=backend, precision="f32")
    frame = (Ride(5, WORLDS["coast"]).frame() * 255.0).round().astype(np.uint8)
    with torch.no_grad():
        state = dict(zip(STATE, graphs["encoder"](torch.from_numpy(frame)), strict=True))
        _alike(engine.encode(frame), state)
        rng = torch.Generator().manual_seed(2)
        for i in range(26):
            noise = torch.randn(NOISE, generator=rng)
            speed, dream = (1.3 if i < 20 else -1.0), 0.2
            held = {k: v.numpy() for k, v in state.items()}
            said = engine.predict(held, noise.numpy(), held["look"], speed, dream)
            following = graphs["predictor"](
                *state.values(), noise, state["look"], torch.tensor(speed), torch.tensor(dream)
            )
            state = dict(zip(STATE, following, strict=True))
            _alike(said, state)
        seen = graphs["decoder"](*(state[k] for k in ("ring", "position", "look", "fade")))
        decoded = engine.decode({k: v.numpy() for k, v in state.items()})
        assert np.abs(decoded.astype(int) - seen.numpy()).max() <= GREY
        small = frame[:64, :128].copy()
        said_look = graphs["embedder"](torch.from_numpy(small)).numpy()
        assert np.abs(engine.embed(small) - said_look).max() < FLOAT
    assert int(state["behind"].max()) > 0, "the train went nowhere"


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
