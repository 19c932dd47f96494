"""A trained run to a bundle: four graphs, looks, weights and a card; checked before it is kept."""

import datetime
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from .. import __version__
from ..errors import TrainingError
from ..files import scratch
from ..inference import Bundle, load_bundle
from ..inference.band import Band, figures, find_band
from ..inference.shipped_start import START, ShippedStart, write_start
from ..inference.write import write_bundle
from ..model.codec import Codec
from ..model.decoder import Decoder, grain_cells
from ..model.embedder import PICTURE_H, PICTURE_W, SIZE, Embedder
from ..model.encoder import Encoder
from ..model.graphs import DECODED, DecoderGraph, EncoderGraph, PictureGraph
from ..model.network import Network
from ..model.planes import HEIGHT, TRAVEL, WIDTH
from ..model.predictor import PredictorGraph
from ..model.restart import DEPARTURE
from ..model.ring import NOISE, STATE
from ..scenery.ride import Ride
from ..scenery.view import textures
from ..scenery.worlds import WORLDS
from .checkpoint import load_weights, save_weights, writing
from .dataset import open_shards
from .options import read_options
from .pocket import fresh_networks, network_weights, run_planes
from .presets import find_preset
from .share import WEIGHTS, share_weights

log = logging.getLogger(__name__)

OPSET = 18


def load_networks(run: Path) -> dict[str, nn.Module]:
    """The averaged networks of a run. Raises TrainingError."""
    preset = find_preset(read_options(run, ["preset"])["preset"])
    networks = fresh_networks(preset, run_planes(run))
    for name, network in networks.items():
        load_weights(network_weights(run, name), {name: network})
        network.eval().requires_grad_(False)
    return networks


def build_graphs(
    networks: dict[str, nn.Module], parallax: Sequence[float] | None = None
) -> dict[str, nn.Module]:
    """The four graphs of the bundle, as torch modules; with `parallax` those of a ride."""
    embedder, codec, decoder = networks["embedder"], networks["codec"], networks["decoder"]
    network, encoder = networks["network"], networks["encoder"]
    assert isinstance(embedder, Embedder) and isinstance(codec, Codec)
    assert isinstance(decoder, Decoder) and isinstance(network, Network)
    assert isinstance(encoder, Encoder)
    grain = grain_cells(torch.from_numpy(textures()), decoder.composite.planes)
    decoder.grain.copy_(grain)
    start = EncoderGraph(encoder, codec, decoder, embedder).eval()
    predictor, view = PredictorGraph(network, codec).eval(), DecoderGraph(decoder).eval()
    if parallax is not None:
        predictor.comes_by = False
        for graph in (start, predictor, view):
            graph.parallax.copy_(torch.tensor(parallax))
    return {
        "encoder": start,
        "predictor": predictor,
        "decoder": view,
        "embedder": PictureGraph(embedder).eval(),
    }


def sample_inputs(graphs: dict[str, nn.Module], frame: Tensor) -> dict[str, dict[str, Tensor]]:
    """Honest inputs of every graph by name, for tracing and for parity, from one frame."""
    with torch.no_grad():
        state = dict(zip(STATE, graphs["encoder"](frame), strict=True))
    rng = torch.Generator().manual_seed(1)
    controls = {
        "noise": torch.randn(NOISE, generator=rng),
        "embedding": state["origin"],
        "speed": torch.tensor(1.0),
        "dream": torch.tensor(0.1),
    }
    small = torch.nn.functional.avg_pool2d(frame.permute(2, 0, 1)[None].float(), 4)[0]
    return {
        "encoder": {"frame": frame},
        "predictor": {**state, **controls},
        "decoder": {k: {**state, **controls}[k] for k in DECODED},
        "embedder": {"picture": small.permute(1, 2, 0).round().byte()},
    }


def write_graph(
    graph: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path
) -> None:
    """One graph as ONNX with static shapes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph, tuple(inputs.values()), str(path), input_names=list(inputs),
            output_names=outputs, opset_version=OPSET, dynamo=False,
        )  # fmt: skip


OUTPUTS = {
    "encoder": list(STATE),
    "predictor": [f"next.{k}" for k in STATE],
    "decoder": ["frame"],
    "embedder": ["embedding"],
}


def draw_looks(
    folder: Path, graph: nn.Module, own: Sequence[Path] = ()
) -> tuple[list[str], np.ndarray]:
    """The looks' pictures in `folder`, first those given, then every world's, and embed them.

    Gives names and embeddings [n, SIZE].
    """
    pictures = {path.stem: Image.open(path).convert("RGB") for path in own}
    for i, name in enumerate(WORLDS):
        frame = Ride(100 + i, WORLDS[name]).frame()
        pictures[name] = Image.fromarray((np.asarray(frame) * 255.0).round().astype(np.uint8))
    embeddings = []
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.jpg", quality=90)
        small = picture.resize((PICTURE_W, PICTURE_H), Image.Resampling.BOX)
        with torch.no_grad():
            embeddings.append(graph(torch.from_numpy(np.array(small))).numpy())
    return list(pictures), np.stack(embeddings).astype(np.float32)


def training_band(run: Path) -> Band | None:
    """Within what the pictures keep that a run learned from; None where they are gone."""
    if not (run / "data").is_dir():
        log.warning("%s: no data left, so the bundle has no band and its guard sleeps", run)
        return None
    shards = open_shards(run / "data")
    return find_band(np.stack([figures(f[i, 0]) for f in shards.frames for i in range(len(f))]))


def export_bundle(
    run: Path, out: Path, dream_start: Callable[[Bundle], ShippedStart] | None = None
) -> None:
    """Write the bundle `out` from the training in `run`. Raises TrainingError, BundleError.

    `dream_start` gives of the bundle the state that a show sets out in, to be written too.
    """
    taught_a_ride = "ride" in read_options(run)
    if dream_start and taught_a_ride:
        raise TrainingError(
            f"{run}: was taught a ride, whose bundle sets out in a picture of it; "
            "leave --set-out out"
        )
    networks = load_networks(run)
    graphs = build_graphs(networks, read_options(run).get("parallax"))
    band = training_band(run)
    style = WORLDS["meadow"]
    frame = torch.from_numpy((Ride(7, style).frame() * 255.0).round().astype(np.uint8))
    inputs = sample_inputs(graphs, frame)
    with writing(out), scratch(out.resolve(), "export") as work:
        for name, graph in graphs.items():
            write_graph(graph, inputs[name], OUTPUTS[name], work / f"{name}.onnx")
        (work / "looks").mkdir()
        own = sorted((run / "looks").glob("*.jpg"))  # of a ride that it was taught
        names, embeddings = draw_looks(work / "looks", graphs["embedder"], own)
        save_weights(work / WEIGHTS, {k: n.half() for k, n in networks.items()})
        for name in graphs:
            share_weights(work, f"{name}.onnx")
        card = out / "CARD.md"
        (work / "CARD.md").write_text(card.read_text() if card.exists() else f"# {out.name}\n")
        manifest = {
            "format": 1,
            "name": out.name,
            "licence": "Apache-2.0",
            "frame": {"width": WIDTH, "height": HEIGHT, "fps": 30},
            "embedding": {"size": SIZE, "picture_width": PICTURE_W, "picture_height": PICTURE_H},
            "noise": {"shape": list(NOISE)},
            "ranges": {"speed": [-2.0, 2.0], "dream": [0.0, 1.0], "travel_px": 2.0 * TRAVEL},
            # what was taught a ride sets out in its pictures: freely it dreams too little of it
            "departure": 0 if taught_a_ride else DEPARTURE,
            "looks_ahead": True,
            "band": band and band.model_dump(),
            "state": [
                {"name": k, "shape": list(shape), "dtype": dtype}
                for k, (shape, dtype) in STATE.items()
            ],
            "training": {
                **read_options(run),
                "date": datetime.date.today().isoformat(),
                "version": __version__,
            },
        }
        if dream_start:
            with scratch(out.resolve(), "start") as tried:
                write_bundle(tried / out.name, manifest, work, names, embeddings)
                write_start(work / START, dream_start(load_bundle(tried / out.name)))
        write_bundle(out, manifest, work, names, embeddings)
