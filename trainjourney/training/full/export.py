"""A trained full model to a bundle: the few-step sampler and all its noise maths in one graph."""

import datetime
import json
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ... import __version__
from ...errors import TrainingError
from ...files import scratch
from ...inference.write import write_bundle
from ...model.full.denoiser import even_steps
from ...model.full.graphs import (
    FullDecoder,
    FullEmbedder,
    FullEncoder,
    FullPredictor,
    FullSteering,
    noise_of,
    state_of,
)
from ...rides.dataset import Ride, open_ride
from ..checkpoint import save_weights, writing
from ..options import read_options
from ..share import WEIGHTS, lend_weights
from .presets import TOLD, find_full_preset
from .student import find_parts, load_student

OPSET = 18
FPS = 25
LOOKS = 6  # pictures of the ride in the bundle's bank
FACTS = "facts.json"
FACTS_TOLD = ("embedding_norm", "cruising_px", "width", "height")

Graphs = dict[str, nn.Module]


def build_full(
    run: Path, precision: Literal["f16", "f32"], count: int | None = None
) -> tuple[Graphs, dict[str, Any]]:
    """The graphs of a run as torch modules, and its facts. Raises TrainingError.

    `count` is how many steps a frame is sampled in; None: as many as the preset was distilled to.
    """
    table = read_options(run, TOLD)
    preset = find_full_preset(str(table["preset"]))
    steps = preset.steps if count is None else even_steps(count)
    base = table["base_path"]
    parts = find_parts(preset, Path(base) if base else None)
    facts = _read_facts(run / FACTS)
    network = load_student(preset, parts, run)
    graphs: Graphs = {
        "encoder": FullEncoder(parts.codec),
        "steering": FullSteering(network, facts["embedding_norm"]),
        "predictor": FullPredictor(network, steps),
        "decoder": FullDecoder(parts.display),
        "embedder": FullEmbedder(parts.vision),
    }
    kind = torch.float16 if precision == "f16" else torch.float32
    for name, graph in graphs.items():
        graph.eval().requires_grad_(False)
        if name != "predictor":
            graph.to(kind)
    predictor = graphs["predictor"]
    assert isinstance(predictor, FullPredictor)
    predictor.folded.to(kind)  # the noise maths stay float32
    facts |= {"steps": list(steps), "tiny": preset.tiny, "precision": precision}
    return graphs, {**facts, "picture": int(parts.vision.config.image_size)}


def _read_facts(path: Path) -> dict[str, Any]:
    """What a run has found out of its ride. Raises TrainingError."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(facts[name], int | float) for name in FACTS_TOLD):
            raise TypeError("not all of them are numbers")
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise TrainingError(
            f"{path}: cannot be read ({err}); type its trainjourney train full again"
        ) from err
    return dict(facts)


def sample_full(
    graphs: Graphs, facts: dict[str, Any], frame: Tensor
) -> dict[str, dict[str, Tensor]]:
    """Honest inputs of every graph by name, from one frame, for tracing and for parity."""
    rng = torch.Generator().manual_seed(1)
    noise = noise_of(facts["width"], facts["height"], tuple(facts["steps"]))
    side = facts["picture"]
    picture = torch.nn.functional.interpolate(
        frame.permute(2, 0, 1)[None].float(), (side, side), mode="area"
    )[0]
    picture = picture.permute(1, 2, 0).round().byte()
    with torch.no_grad():
        latents, embedding = graphs["encoder"](frame), graphs["embedder"](picture)
        steering = graphs["steering"](embedding)
    controls = {"steering": steering, "speed": torch.tensor(1.0), "dream": torch.tensor(0.1)}
    return {
        "encoder": {"frame": frame},
        "predictor": {"latents": latents, "noise": torch.randn(noise, generator=rng), **controls},
        "decoder": {"latents": latents},
        "embedder": {"picture": picture},
        "steering": {"embedding": embedding},
    }


def write_full_graph(graph: nn.Module, inputs: dict[str, Tensor], output: str, path: Path) -> None:
    """One graph as ONNX with static shapes, without its parameters: their names are inputs."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph, tuple(inputs.values()), str(path), input_names=list(inputs),
            output_names=[output], opset_version=OPSET, dynamo=False, do_constant_folding=False,
            export_params=False,
        )  # fmt: skip


OUTPUTS = {
    "encoder": "latents",
    "predictor": "next.latents",
    "decoder": "frame",
    "embedder": "embedding",
    "steering": "steering",
}


def export_full(
    run: Path, out: Path, precision: Literal["f16", "f32"] = "f16", count: int | None = None
) -> None:
    """Write the bundle `out` from the full training in `run`; see `build_full`.

    Raises TrainingError, BundleError.
    """
    table = read_options(run, TOLD)
    ride = open_ride(Path(table["ride_path"]))
    graphs, facts = build_full(run, precision, count)
    frame = torch.from_numpy(np.array(ride.frame(0)))
    inputs = sample_full(graphs, facts, frame)
    with writing(out), scratch(out.resolve(), "export") as work:
        for name, graph in graphs.items():
            write_full_graph(graph, inputs[name], OUTPUTS[name], work / f"{name}.onnx")
        own = {name: graph.state_dict() for name, graph in graphs.items()}
        save_weights(work / WEIGHTS, networks_of(graphs))
        for name, tensors in own.items():
            lend_weights(work, f"{name}.onnx", tensors)
        (work / "looks").mkdir()
        names, embeddings = _looks(ride, graphs["embedder"], facts["picture"], work / "looks")
        card = out / "CARD.md"
        (work / "CARD.md").write_text(card.read_text() if card.exists() else _card(out.name, table))
        state = state_of(facts["width"], facts["height"])
        manifest = {
            "format": 1,
            "name": out.name,
            "licence": "as the base weights' own, see CARD.md",
            "frame": {"width": facts["width"], "height": facts["height"], "fps": FPS},
            "embedding": {
                "size": embeddings.shape[1],
                "picture_width": facts["picture"],
                "picture_height": facts["picture"],
            },
            "noise": {
                "shape": list(noise_of(facts["width"], facts["height"], tuple(facts["steps"])))
            },
            "steering": int(inputs["predictor"]["steering"].numel()),
            "ranges": {
                "speed": [-2.0, 2.0],
                "dream": [0.0, 1.0],
                "travel_px": min(1000.0, max(0.1, facts["cruising_px"])),
            },
            "state": [{"name": k, "shape": list(s), "dtype": d} for k, (s, d) in state.items()],
            "training": {
                "model": "full",
                "facts": facts,
                "preset": table["preset"],
                "ride": table["ride"],
                "date": datetime.date.today().isoformat(),
                "version": __version__,
            },
        }
        write_bundle(out, manifest, work, names, embeddings)


def networks_of(graphs: Graphs) -> dict[str, nn.Module]:
    """The networks by the names that the graphs' constants have, in half precision."""
    found = {name: child for graph in graphs.values() for name, child in graph.named_children()}
    return {name: child.half() for name, child in found.items()}


def _looks(
    ride: Ride, embedder: nn.Module, side: int, folder: Path
) -> tuple[list[str], "np.ndarray[Any, np.dtype[np.float32]]"]:
    """Pictures of the ride, evenly along it, and their embeddings [n, D]."""
    names, embeddings = [], []
    for k, i in enumerate(np.linspace(0, len(ride) - 1, LOOKS + 2)[1:-1].astype(int)):
        picture = Image.fromarray(ride.frame(int(i)))
        picture.save(folder / f"ride{k + 1}.jpg", quality=92)
        small = np.array(picture.resize((side, side), Image.Resampling.BOX))
        embedder.float()  # halved by now, with its weights rounded as in the bundle
        with torch.no_grad():
            embeddings.append(embedder(torch.from_numpy(small)).numpy())
        names.append(f"ride{k + 1}")
    return names, np.stack(embeddings).astype(np.float32)


def _card(name: str, table: dict[str, Any]) -> str:
    return (
        f"# {name}\n\nA full model, taught the ride '{table['ride']}' (preset {table['preset']}). "
        "It was made from base weights that have a licence of their own, which holds for this "
        "bundle too; the video of the ride has one as well.\n"
    )
