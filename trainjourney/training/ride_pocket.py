"""The pocket taught a real ride: from a bundle's weights, on the country found in the ride."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..errors import TrainingError
from ..inference.bundle import load_bundle
from ..model.decoder import Decoder
from ..model.planes import planes_of
from ..rides.dataset import Ride, open_ride
from .checkpoint import load_weights, save_weights, writing
from .codec_stage import CodecStage, fit_basis
from .dataset import Shards, open_shards, render_shard, shard_name
from .device import find_device
from .dream_stage import DreamStage
from .options import FILE as OPTIONS
from .options import check_minutes, read_options, remember_options
from .pocket import build_stage, set_out_from, stage_weights
from .presets import find_preset
from .progress import Bar
from .ride_colours import fit_palette
from .ride_country import check_country, make_country
from .ride_planes import is_single, often_of, parallax_of
from .runner import run_stage
from .single import to_single

# Stages in their order, and how much of the training time each has had by then. The codec's way
# back learns the new basis first, or nobody could look at what is dreamt, and then what was dreamt.
# What embeds pictures stays as it is in the bundle.
SHARES = (("codec", 0.05), ("decoder", 0.2), ("dream", 0.6), ("codec", 0.1), ("encoder", 0.1))
RATE = {"decoder": 1e-3, "dream": 5e-4, "codec": 1.5e-3, "encoder": 8e-4}
SCENERY = (("ride", 6), ("melt", 8))  # styles of rendered country mixed in, so that looks stay
LEAST = 100  # steps of a stage, below which hardly anything of the ride is learnt
TILES = 24  # a step, of the dream stage: a ride is little, and wants many steps in little time
LOOKS = 4  # pictures of the ride that become looks of the bundle
MINUTES = 20.0


def train_on_ride(
    folder: Path,
    bundle: Path,
    run: Path,
    minutes: float | None = None,
    preset: str | None = None,
    threads: int = 0,
    device: str = "cpu",
) -> None:
    """Teach the weights of `bundle` the ride in `folder`; `trainjourney export` makes a bundle.

    `preset` is the bundle's own where it is not told; `minutes` bounds the training of all
    stages together, MINUTES where it is not told. Killed at any time, the same call goes on.
    Raises RideError, BundleError, TrainingError.
    """
    check_minutes(minutes)
    ride, where = open_ride(folder), find_device(device)
    if not (bundle / "weights.safetensors").is_file():
        raise TrainingError(f"{bundle}: has no weights.safetensors; give --from engines/pocket")
    own = str(load_bundle(bundle).manifest.training.get("preset", "s"))
    options = find_preset(preset or own)
    if preset not in (None, own):
        raise TrainingError(
            f"--preset {preset}: a ride is taught to the weights of {bundle}, of preset {own}; "
            f"leave --preset out, or give --from a bundle of preset {preset}"
        )
    parallax = [round(float(value), 5) for value in parallax_of(ride)]
    check_country(ride)
    single = is_single(ride)
    decoder = Decoder(*options.paint, planes=planes_of(single))
    load_weights(bundle / "weights.safetensors", {"decoder": decoder})
    told = {"preset": own, "ride": folder.resolve().name, "parallax": parallax}
    more = {"single": True} if single else {}
    hold_to_ride(run, ride)
    remember_options(run, {**told, **more, "mark": ride.mark()}, ("mark",))
    bar = Bar()
    bar.start("country")
    data = run / "data"
    with writing(data):
        count = make_country(ride, decoder, run / "country", bar.show)
        bar.note(f"{count} places of the ride; parallax {parallax}")
        data.mkdir(exist_ok=True)
        for kind, styles in SCENERY:
            render_shard(run / "scenery" if single else data, kind, 0, min(styles, options.styles))
            if single:
                to_single(run / "scenery" / shard_name(kind, 0), data / shard_name(kind, 0))
        for shard in sorted((run / "country").glob("real*")):
            link = data / shard.name
            if link.is_symlink():  # it may lead to where the run was before it was moved
                link.unlink()
            if not link.exists():
                link.symlink_to(Path("..") / "country" / shard.name, target_is_directory=True)
        keep_looks(ride, run / "looks")
    bar.close()
    shards = open_shards(data)
    if not stage_weights(run, "codec").exists():
        fit_codec(shards, bundle, run)
    if not stage_weights(run, "decoder").exists():
        kept = torch.from_numpy(np.stack([look.embedding for look in load_bundle(bundle).looks]))
        error = fit_palette(decoder, run / "country", kept)
        bar.note(f"palette of the ride, to {error:.3f}")
        save_weights(stage_weights(run, "decoder"), {"decoder": decoder})
    set_out_from(bundle, run)
    for i, (name, share) in enumerate(SHARES):
        schedule = options.schedules[name]
        if own != "tiny":
            time = (MINUTES if minutes is None else minutes) * share
            schedule = replace(schedule, steps=10**7, warmup=60, minutes=time, lr=RATE[name])
        stage = build_stage(name, options, shards, run, where)
        again = any(name == later for later, _ in SHARES[i + 1 :])
        if isinstance(stage, CodecStage) and again:
            stage.dreams = 0.0  # the bundle's dream is of other latents
        if isinstance(stage, DreamStage):
            stage.often = often_of(ride)
            stage.batch = min(stage.batch, TILES)
        result = run_stage(stage, schedule, run, where, progress=Bar(), threads=threads)
        if result.ended != "done":
            return
        if own != "tiny" and result.step < LEAST and not again:
            bar.start(name)
            bar.note(
                f"made {result.step} steps in its minutes and knows little of the ride; give "
                "--minutes more, and another --run, with nothing else running"
            )
            bar.close()


def hold_to_ride(run: Path, ride: Ride) -> None:
    """Refuse to go on with another ride of the same name: its country is not that of the run."""
    begun = read_options(run) if (run / OPTIONS).exists() else {}
    same_name = begun.get("ride") == ride.folder.resolve().name
    if same_name and begun.get("mark", ride.mark()) != ride.mark():
        raise TrainingError(
            f"{run}: was begun with another ride than {ride.folder} holds now; give another --run"
        )


def fit_codec(shards: Shards, bundle: Path, run: Path) -> None:
    """The bundle's codec on a basis of the new country: its old one knows only rendered masks."""
    codec = fit_basis(shards)
    fitted = {name: buffer.clone() for name, buffer in codec.named_buffers()}
    load_weights(bundle / "weights.safetensors", {"codec": codec})
    for name, buffer in codec.named_buffers():
        buffer.copy_(fitted[name])
    save_weights(stage_weights(run, "codec"), {"codec": codec})


def keep_looks(ride: Ride, folder: Path) -> None:
    """Pictures of the ride, evenly along it, for the bundle's bank of looks."""
    folder.mkdir(exist_ok=True)
    for k, i in enumerate(np.linspace(0, len(ride) - 1, LOOKS + 2)[1:-1].astype(int)):
        path = folder / f"ride{k + 1}.jpg"
        if not path.exists():
            Image.fromarray(ride.frame(int(i))).save(path, quality=92)
