"""The full model: bases, trainings and runs that are refused, each by one line."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file as safe_file
from safetensors.torch import save_file

from trainjourney.errors import TrainingError, TrainjourneyError
from trainjourney.model.full.parts import TINY_DISPLAY
from trainjourney.training.full.base import load_base
from trainjourney.training.full.export import export_full
from trainjourney.training.full.presets import PRESETS
from trainjourney.training.full.train import distill, find_place, train_full, within_memory
from trainjourney.training.options import read_options
from trainjourney.training.pocket import train_pocket
from trainjourney.training.ride_pocket import train_on_ride


def gone(base: Path) -> None:
    shutil.rmtree(base / "unet")


def half_fetched(base: Path) -> None:
    path = next((base / "vae").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:300])


def pickled(base: Path) -> None:
    path = next((base / "unet").glob("*.safetensors"))
    path.rename(path.with_suffix(".bin"))


def another_kind(base: Path) -> None:
    shutil.copy(base / "vae/config.json", base / "unet/config.json")


def no_table(base: Path) -> None:
    (base / "unet/config.json").write_text("null")


def wide_display(base: Path) -> None:
    wide = AutoencoderTiny(**TINY_DISPLAY, latent_channels=16)  # as of a later model
    shutil.rmtree(base / "taesd")
    wide.save_pretrained(base / "taesd")


def other_sizes(base: Path) -> None:
    config = base / "image_encoder/config.json"
    table = json.loads(config.read_text())
    table["projection_dim"] = 24
    config.write_text(json.dumps(table))


def another_model(base: Path) -> None:
    path = next((base / "unet").glob("*.safetensors"))
    tensors = safe_file(path)
    kept = {key: value for key, value in tensors.items() if not key.startswith("mid_block")}
    save_file(kept, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (gone, "hf download lambdalabs/sd-image-variations-diffusers"),
        (half_fetched, "damaged or only half fetched"),
        (pickled, "pickles are not read"),
        (another_kind, "is of AutoencoderKL, UNet2DConditionModel wanted"),
        (other_sizes, "image_encoder"),
        (no_table, "is of nothing, UNet2DConditionModel wanted"),
        (another_model, "so its weights are of another model; on a machine with a network type"),
        (wide_display, "taesd: is made for latents of 16 channels, 4 wanted"),
    ],
)
def test_a_base_that_is_not_whole_is_one_line(  # type: ignore[no-untyped-def]
    spoil, words, full_run, tmp_path, caplog
) -> None:
    base = tmp_path / "base"
    shutil.copytree(read_options(full_run)["base_path"], base)
    spoil(base)
    caplog.clear()
    with pytest.raises(TrainingError) as told:
        load_base(base)
    assert words in str(told.value) and "\n" not in str(told.value)
    assert caplog.messages == []  # the libraries' words on it


def test_what_cannot_be_trained_is_one_line(full_ride: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="give --from BASE"):
        train_full(full_ride, tmp_path / "a", "full")
    for start in (train_full, partial(train_on_ride, bundle=tmp_path)):
        with pytest.raises(TrainingError, match=r"--minutes 0: give more than 0, or leave it out"):
            start(full_ride, run=tmp_path / "a", minutes=0.0)
    with pytest.raises(TrainingError, match="--minutes 0: "):
        train_pocket("tiny", tmp_path / "a", minutes=0.0)
    with pytest.raises(TrainingError, match="--minutes nan: "):
        distill(tmp_path / "a", minutes=float("nan"))
    with pytest.raises(TrainingError, match="no preset 'huge'"):
        train_full(full_ride, tmp_path / "a", "huge")
    with pytest.raises(TrainingError, match="no such file"):
        distill(tmp_path / "nowhere")
    with pytest.raises(TrainingError, match="no device 'tpu'"):
        find_place("tpu")
    with (
        pytest.raises(TrainingError, match=r"too little memory .*\(8 at a time\); train .* --pre"),
        within_memory(tmp_path, PRESETS["full"]),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    with (
        pytest.raises(TrainingError, match=r"\(4 at a time\); import the ride with a smaller"),
        within_memory(tmp_path, PRESETS["lora"]),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_a_base_that_was_missing_may_be_given_later(full_ride: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="give --from BASE"):
        train_full(full_ride, tmp_path / "run", "lora")
    with pytest.raises(TrainingError, match="hf download"):  # not: started with another base
        train_full(full_ride, tmp_path / "run", "lora", tmp_path / "base")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("facts.json", "{}", r"facts\.json: cannot be read .*; type its trainjourney train full"),
        ("facts.json", '{"embedding_norm": "x"}', "not all of them are numbers"),
        ("facts.json", "[]", r"facts\.json: cannot be read"),
        ("options.json", '{"taught": "whole"}', r"options\.json: does not tell the preset; train"),
        (
            "options.json",
            '{"taught": "whole", "preset": "tiny", "ride": "x"}',
            "does not tell the ride_path",
        ),
    ],
)
def test_a_damaged_run_is_not_exported(  # type: ignore[no-untyped-def]
    name, text, words, full_run, tmp_path
) -> None:
    run = Path(shutil.copytree(full_run, tmp_path / "run"))
    (run / name).write_text(text)
    with pytest.raises(TrainingError, match=words):
        export_full(run, tmp_path / "mine")
    if name == "options.json":
        with pytest.raises(TrainingError, match=words):
            distill(run)


def test_codes_that_are_damaged_are_made_anew(full_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(full_run, tmp_path / "run"))
    latent, look = next(run.rglob("latent*.npy")), next(run.rglob("look*.npy"))
    whole = [path.read_bytes() for path in (latent, look)]
    latent.write_bytes(whole[0][:-100])
    distill(run)
    look.write_bytes(b"")
    distill(run)
    assert [path.read_bytes() for path in (latent, look)] == whole


def test_what_is_refused_leaves_no_run(full_ride, pocket_bundle, tmp_path) -> None:  # type: ignore[no-untyped-def]
    run, nowhere = tmp_path / "run", tmp_path / "nowhere"
    refused = [
        (partial(train_full, full_ride, run), "hf download .* give it with --from"),
        (partial(train_full, full_ride, run, "lora", nowhere), "hf download"),
        (partial(train_full, nowhere, run, "tiny"), "holds no imported ride"),
        (partial(train_full, full_ride, run, "tiny", stills=nowhere), "holds no pictures"),
        (partial(train_full, full_ride, run, "tiny", device="tpu"), "no device 'tpu'"),
        (partial(train_on_ride, full_ride, pocket_bundle, run), "import it again with --engine"),
        (partial(train_pocket, "tiny", run, warm=nowhere), "trainjourney export"),
        (partial(train_pocket, "tiny", run, teacher=nowhere), "trainjourney export"),
    ]
    for start, words in refused:
        with pytest.raises(TrainjourneyError, match=words):
            start()
        assert not run.exists()


@pytest.mark.parametrize("inside", [".", "in/it"])
def test_a_run_that_cannot_be_made_is_one_line(
    inside: str, full_ride: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    run = tmp_path / "file" / inside
    for start in (partial(train_full, full_ride, run, "tiny"), partial(train_pocket, "tiny", run)):
        with pytest.raises(
            TrainingError, match="is a file, or lies in one; give --run another folder"
        ):
            start()
