"""What tests share: a folder for what a show leaves behind, tiny models made once, a browser."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from serving import Served
    from small_graphs import Graphs, State

    from trainjourney.training.dataset import Shards

# Before torch and numpy look for cores: on small tensors their threads only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Before triton is imported: its interpreter runs our kernels. To run them on a GPU give 0.
os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_runtest_setup() -> None:
    """What a test draws from torch does not hang on which tests ran before it in its process."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(67280421310721)  # what torch sets out with when it is imported


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of state a folder each, of what may be deleted one for all processes of a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        base = tmp_path_factory.getbasetemp()
        shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        patch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        yield


@pytest.fixture(scope="session")
def pocket_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as training leaves it, with random networks of the tiny preset."""
    import torch

    from trainjourney.training.checkpoint import save_weights
    from trainjourney.training.options import remember_options
    from trainjourney.training.pocket import fresh_networks, network_weights
    from trainjourney.training.presets import PRESETS

    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(3)
    networks = fresh_networks(PRESETS["tiny"])
    with torch.no_grad():
        for basis in networks["codec"].basis:  # type: ignore[union-attr]
            basis.copy_(torch.linalg.qr(torch.randn(basis.shape[1], basis.shape[0]))[0].T)
    remember_options(folder, {"preset": "tiny"})
    for name, network in networks.items():
        save_weights(network_weights(folder, name), {name: network})
    return folder


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the tiny preset, rendered and trained as far as the dream network: not few.

    For all to read: copy it to train on.
    """
    from trainjourney.training.pocket import STAGES, train_pocket

    folder = tmp_path_factory.mktemp("tiny") / "run"
    train_pocket("tiny", folder, threads=1, only=[name for name in STAGES if name != "few"])
    return folder


@pytest.fixture(scope="session")
def tiny_shards(tiny_run: Path) -> "Shards":
    """Its country."""
    from trainjourney.training.dataset import open_shards

    return open_shards(tiny_run / "data")


@pytest.fixture(scope="session")
def pocket_bundle(pocket_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run, exported with one world's look."""
    from trainjourney.scenery.worlds import WORLDS
    from trainjourney.training.export import export_bundle

    out = tmp_path_factory.mktemp("engines") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainjourney.training.export.WORLDS", {"meadow": WORLDS["meadow"]})
        export_bundle(pocket_run, out)
    return out


@pytest.fixture(scope="session")
def full_ride(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ride of 40 frames, for the full model. For all to read."""
    from tiny_full import write_ride

    return write_ride(tmp_path_factory.mktemp("ride"))


@pytest.fixture(scope="session")
def full_run(full_ride: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The full model, tiny, trained on it through all its stages. For all to read."""
    from tiny_full import train_tiny

    return train_tiny(full_ride, tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="session")
def full_single(full_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run, exported in single precision. For all to read."""
    from trainjourney.training.full.export import export_full

    out = tmp_path_factory.mktemp("bundles") / "mine"
    export_full(full_run, out, "f32")
    return out


@pytest.fixture(scope="session")
def full_half(full_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run, exported in half precision. For all to read."""
    from trainjourney.training.full.export import export_full

    out = tmp_path_factory.mktemp("half") / "half"
    export_full(full_run, out, "f16")
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright
    from serving import CHROMIUM, CHROMIUM_ARGS

    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_ARGS)
        yield one
        one.close()


@pytest.fixture(scope="module")
def page() -> "Iterator[Served]":
    """A page for two viewers."""
    from serving import served

    with served(viewers=2) as one:
        yield one


@pytest.fixture(scope="module")
def offer() -> bytes:
    """A viewer's offer."""
    from viewer import make_offer

    return asyncio.run(make_offer()).encode()


@pytest.fixture(scope="module")
def graphs() -> "Graphs":
    """The pocket's graphs over small networks that were never trained."""
    from small_graphs import small_graphs

    return small_graphs()


@pytest.fixture(scope="module")
def start(graphs: "Graphs") -> "State":
    """A state of theirs, begun in a picture."""
    from small_graphs import small_start

    return small_start(graphs)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that send signals to this very process go first: a show keeps signals from the threads
    of foreign libraries (show/signals.py), a process of many tests does not. Then the files that
    take longest, so that at the end no process waits for another."""
    first = ["test_cli.py", "test_runner.py", "test_signals.py", "test_shipped.py"]
    first += ["test_repaint.py", "test_elsewhere.py", "test_export.py", "test_ride_pocket.py"]
    items.sort(key=lambda i: first.index(i.path.name) if i.path.name in first else len(first))
