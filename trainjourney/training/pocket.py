"""The pocket from nothing: render, then six stages in order, each resuming where it stood."""

import copy
import logging
import shutil
from collections.abc import Collection
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from ..errors import TrainingError
from ..inference import load_bundle
from ..model.codec import Codec
from ..model.decoder import Decoder
from ..model.embedder import Embedder
from ..model.encoder import Encoder
from ..model.network import Network
from ..model.planes import PLANES, Plane, planes_of
from ..side_by_side import Job, core_count, share
from .checkpoint import load_fitting, load_weights, save_weights, writing
from .codec_stage import CodecStage, fit_basis
from .dataset import Shards, open_shards, render_shard, shard_name
from .decoder_stage import DecoderStage
from .device import find_device
from .dream_stage import DreamStage, all_embeddings
from .encoder_stage import EncoderStage
from .few_stage import FewStage
from .look_stage import LookStage, small_pictures
from .options import check_minutes, read_options, remember_options
from .presets import BATCH, Preset, find_preset
from .progress import Bar
from .runner import run_stage
from .stage import Device, Stage
from .taught_stage import TaughtStage, open_teacher
from .tune_stage import RolloutStage, TuneStage

log = logging.getLogger(__name__)

STAGES = ("look", "decoder", "dream", "few", "codec", "encoder")
ASKED = ("tune", "rollout")  # trained only where they are named: few's other way
FEW = ("few", *ASKED)  # of whose networks the one is taken that was taught last
FEW_SHARDS = 4  # are there sooner than a crew is
STAGE_OF = {"embedder": "look", "codec": "codec", "decoder": "decoder", "network": "dream"} | {
    "encoder": "encoder"
}  # the stage in which each network of a bundle is trained


def train_pocket(
    preset: str,
    run: Path,
    minutes: float | None = None,
    device: str = "cpu",
    only: Collection[str] = STAGES,
    threads: int = 0,
    warm: Path | None = None,
    teacher: Path | None = None,
    country: int = 1,
    rate: float = 1.0,
) -> None:
    """Train the pocket in the folder `run`; `minutes` bounds the training of all stages together.

    `only` some stages are trained, and share the minutes; the others must have been before, or
    come from `warm`, a bundle whose weights every stage sets out from. From one of another preset
    it has what is of the same size. With a `teacher`, a larger bundle, the stage few learns the
    steps of that one's dream network instead of its own. There is `country` times the preset's,
    and every stage learns at `rate` times its schedule's rate. Raises TrainingError. Killed at any
    time, the same call goes on.
    """
    if unknown := [name for name in only if name not in (*STAGES, *ASKED)]:
        raise TrainingError(f"no stage '{unknown[0]}': choose of {', '.join((*STAGES, *ASKED))}")
    check_minutes(minutes)
    where = find_device(device)
    options = find_preset(preset)
    options = replace(
        options, rides=country * options.rides, melts=country * options.melts,
        schedules={name: replace(s, lr=rate * s.lr) for name, s in options.schedules.items()},
    )  # fmt: skip
    for bundle in (warm, teacher):
        if bundle is not None:
            load_bundle(bundle)  # refused now, not when its stage begins
    free = ("steps", "minutes", "lr", "film", "sheet")
    remember_options(run, {"preset": preset, **asdict(options)}, free)
    if warm is not None:
        set_out_from(warm, run)
    shards = _render(options, run / "data")
    if not stage_weights(run, "codec").exists():
        save_weights(stage_weights(run, "codec"), {"codec": fit_basis(shards)})
    for name in (*STAGES, *ASKED):
        if name not in only:
            continue
        schedule = options.schedules[_like(name)]
        if minutes is not None:
            share = options.share[_like(name)] / sum(options.share[_like(n)] for n in only)
            schedule = replace(schedule, steps=10**7, warmup=60, minutes=minutes * share)
        stage = build_stage(name, options, shards, run, where)
        if name == "few" and teacher is not None:
            assert isinstance(stage, FewStage)
            stage = TaughtStage(stage.dream, open_teacher(teacher))
            schedule = replace(schedule, lr=options.schedules["dream"].lr)
        before = _written(stage_weights(run, name))
        result = run_stage(stage, schedule, run, where, progress=Bar(), threads=threads)
        if name == "dream" and _written(stage_weights(run, name)) != before:
            for later in FEW:  # taught by what the network was
                shutil.rmtree(run / later, ignore_errors=True)
        if result.ended != "done":
            return


def _render(options: Preset, data: Path) -> Shards:
    """Render what is missing of the dataset on all cores, with a line now and then."""
    bar = Bar()
    wanted = [("ride", i) for i in range(options.rides)] + [
        ("melt", i) for i in range(options.melts)
    ]
    with writing(data):
        data.mkdir(parents=True, exist_ok=True)
        missing = [(k, i) for k, i in wanted if not (data / shard_name(k, i)).exists()]
        jobs: list[Job] = [(render_shard, (data, k, i, options.styles)) for k, i in missing]
        crew = core_count() if len(jobs) > FEW_SHARDS else 1
        if jobs:
            bar.start("render")
        try:
            share(jobs, crew, lambda done: bar.show(done, f"{len(jobs)} shards"))
        except BrokenProcessPool as err:
            raise TrainingError(
                f"{data}: one of {crew} processes that render was killed, as where memory ends; "
                "free some, then type the same again, and it goes on"
            ) from err
        finally:
            bar.close()
    return open_shards(data)


def stage_weights(run: Path, name: str) -> Path:
    """Averaged weights of a stage: finished, on its way, or what it is to set out from."""
    return run / name / "weights.safetensors"


def set_out_from(bundle: Path, run: Path) -> None:
    """Give every stage that has not begun the weights of a bundle. Raises TrainingError."""
    preset = str(read_options(run, ["preset"])["preset"])
    networks = fresh_networks(find_preset(preset), run_planes(run))
    weights = bundle / "weights.safetensors"
    if load_bundle(bundle).manifest.training.get("preset", preset) == preset:
        load_weights(weights, networks)
    else:
        for name, share in load_fitting(weights, networks).items():
            log.info("%s: %.0f %% of %s fit", weights, 100.0 * share, name)
    for name, network in networks.items():
        path = stage_weights(run, STAGE_OF[name])
        if not path.exists():
            save_weights(path, {name: network})


def network_weights(run: Path, name: str) -> Path:
    """What a bundle takes a network from; the dream network from its few steps, once taught."""
    last = max((stage_weights(run, stage) for stage in FEW), key=_written)
    few = name == "network" and last.exists()
    return last if few else stage_weights(run, STAGE_OF[name])


def _like(name: str) -> str:
    """The stage by whose schedule and share a stage is trained."""
    return "few" if name in ASKED else name


def _written(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def run_planes(run: Path) -> tuple[Plane, ...]:
    """The planes that a run knows. Raises TrainingError."""
    return planes_of(bool(read_options(run).get("single")))


def fresh_networks(preset: Preset, planes: tuple[Plane, ...] = PLANES) -> dict[str, nn.Module]:
    """Untrained networks of a preset by their names in weights.safetensors, in stage order."""
    return {
        "embedder": Embedder(),
        "codec": Codec(),
        "decoder": Decoder(*preset.paint, planes=planes),
        "network": Network(preset.width, preset.blocks),
        "encoder": Encoder(planes=planes),
    }


def build_stage(
    name: str, options: Preset, shards: Shards, run: Path, device: Device = "cpu"
) -> Stage:
    """A stage with what it needs of the earlier ones."""
    batch = {key: sizes[torch.device(device).type == "cuda"] for key, sizes in BATCH.items()}
    pictures, planes = small_pictures(shards, run / "pictures.npy"), run_planes(run)
    if name == "look":
        return LookStage(shards, pictures, min(56, len(shards) - 1), device)
    look = LookStage(shards, pictures)
    load_weights(stage_weights(run, "look"), {"embedder": look.embedder})
    if name == "decoder":
        paint, count = options.paint, batch["decoder"]
        scenery = "ride" not in read_options(run)
        return DecoderStage(shards, pictures, look.embedder, paint, count, device, planes, scenery)
    codec = Codec()
    load_weights(stage_weights(run, "codec"), {"codec": codec})
    if name == "encoder":
        return EncoderStage(shards, codec, look.embedder, batch["encoder"], device, planes)
    embeddings = all_embeddings(pictures, look.embedder)
    if name == "codec":
        network = Network(options.width, options.blocks)
        load_weights(network_weights(run, "network"), {"network": network})
        return CodecStage(shards, embeddings, codec, network, batch["codec"], device)
    decoder = Decoder(*options.paint, planes=planes)
    load_weights(stage_weights(run, "decoder"), {"decoder": decoder})
    dream = DreamStage(
        shards,
        embeddings,
        codec,
        batch=batch["dream"],
        width=options.width,
        blocks=options.blocks,
        decoder=decoder.eval(),
        film=options.film,
        sheet=options.sheet,
        device=device,
    )
    if name == "few":
        load_weights(stage_weights(run, "dream"), dream.modules())
        return FewStage(dream)
    if name in ASKED:
        load_weights(stage_weights(run, "dream"), dream.modules())
        teacher = copy.deepcopy(dream.network)
        if name == "tune":
            return TuneStage(dream, teacher)
        load_weights(stage_weights(run, "tune"), dream.modules())
        return RolloutStage(dream, teacher)
    return dream
