"""A full network and the part of it that is taught: all of it, or adapters and what is new."""

import copy
from dataclasses import replace
from pathlib import Path

import torch
from peft import LoraConfig
from torch import nn

from ...errors import TrainingError
from ...model.full.network import FullNetwork
from ...model.full.parts import Parts, fresh_parts
from ..checkpoint import load_weights
from ..runner import WEIGHTS
from .base import FETCH, load_base
from .presets import FullPreset

ADAPTED = ["to_q", "to_k", "to_v", "to_out.0"]
SEED = 7  # of networks that have no base


def find_parts(preset: FullPreset, base: Path | None) -> Parts:
    """The base networks: from a folder, or for a tiny training at random. Raises TrainingError."""
    if base is not None:
        return load_base(base)
    if not preset.tiny:
        raise TrainingError(
            "the full model sets out from base weights; give --from BASE, a folder with unet, vae, "
            f"taesd and image_encoder; where there is none, {FETCH}"
        )
    torch.manual_seed(SEED)
    return fresh_parts(tiny=True)


def make_student(preset: FullPreset, parts: Parts) -> tuple[FullNetwork, nn.Module]:
    """The network made of the base's U-Net, and what of it is taught.

    Students with adapters, of the same parts, have their frozen weights in common.
    """
    adapted = preset.taught == "lora"
    frozen = {id(p): p for p in parts.unet.parameters()} if adapted else {}
    network = FullNetwork(copy.deepcopy(parts.unet, frozen))  # of what is frozen no second copy
    if preset.frugal:
        network.unet.enable_gradient_checkpointing()
    if not adapted:
        return network.requires_grad_(True), network
    network.requires_grad_(False)
    network.unet.add_adapter(
        LoraConfig(r=preset.rank, lora_alpha=preset.rank, target_modules=ADAPTED)
    )
    taught = nn.ModuleDict({"first": network.unet.conv_in, "told": network.told})
    taught.requires_grad_(True)
    for name, module in network.unet.named_modules():
        if name.endswith(("lora_A.default", "lora_B.default")):
            taught[name.replace(".", "/")] = module
    return network, taught


def load_student(preset: FullPreset, parts: Parts, run: Path) -> FullNetwork:
    """The network as the latest stage of a run left it, averaged; adapters merged.

    Raises TrainingError.
    """
    own = replace(parts, unet=copy.deepcopy(parts.unet))  # adapters are merged into it
    network, taught = make_student(preset, own)
    for stage in ("rollout", "tune", "teacher"):
        if (run / stage / WEIGHTS).exists():
            load_weights(run / stage / WEIGHTS, {"network": taught})
            break
    else:
        raise TrainingError(f"{run}: holds no trained full model; trainjourney train full first")
    if preset.taught == "lora":
        network.unet.fuse_lora()
        network.unet.unload_lora()
    return network.eval().requires_grad_(False)
