"""The graphs of a full bundle. The state is the last two latents."""

from typing import Any

import torch
from torch import Tensor, nn

from .denoiser import Road
from .folded import FoldedNetwork, layer_vectors
from .network import CONTEXT, FullNetwork
from .parts import DOWN, LATENT

CALM, WILD = 0.02, 0.6  # noise on the context where `dream` is 0, and where it is 1
# OpenAI's mean and spread of pictures, which CLIP was trained with
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def state_of(width: int, height: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """The state by name: shape and type."""
    return {"latents": ((CONTEXT, LATENT, height // DOWN, width // DOWN), "float32")}


def noise_of(width: int, height: int, steps: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a frame's noise: one a sampling step, and one for each context latent."""
    return (len(steps) + CONTEXT, LATENT, height // DOWN, width // DOWN)


class FullPredictor(nn.Module):
    """`predictor.onnx`: the few-step sampler, its noise maths and the folded network in one."""

    data_share: Tensor  # [steps]
    noise_share: Tensor

    def __init__(self, network: FullNetwork, steps: tuple[int, ...]) -> None:
        super().__init__()
        self.folded = FoldedNetwork(network, steps)
        self.count = len(steps)
        road, at = Road(), torch.tensor(steps)
        self.register_buffer("data_share", road.data[at])
        self.register_buffer("noise_share", road.noise[at])

    def forward(
        self, latents: Tensor, noise: Tensor, steering: Tensor, speed: Tensor, dream: Tensor
    ) -> Tensor:
        """The next state from the last: consistency sampling (Song et al. 2023, algorithm 1)."""
        kind = self.folded.steps.dtype
        level = (CALM + (WILD - CALM) * dream).reshape(1)
        rough = (1.0 - level) * latents + level * noise[self.count :]
        context = rough.reshape(1, -1, *latents.shape[2:]).to(kind)
        told = self.folded.network.condition(level.to(kind), speed.reshape(1).to(kind))
        vectors = steering[None].to(kind)
        mask = torch.ones_like(context[:, :1])
        clean = latents[:1] * 0.0
        for i in range(self.count):
            noised = self.data_share[i] * clean + self.noise_share[i] * noise[i : i + 1]
            x = torch.cat([noised.to(kind), context, mask], 1)
            velocity = self.folded(x, i, told, vectors).float()
            clean = self.data_share[i] * noised - self.noise_share[i] * velocity
        return torch.cat([latents[1:], clean.clamp(-8.0, 8.0)])


class FullSteering(nn.Module):
    """`steering.onnx`: embedding [D] -> all of the predictor that hangs on it alone, [sum]."""

    def __init__(self, network: FullNetwork, embedding_norm: float) -> None:
        """`embedding_norm` is what CLIP's embeddings measure; a bundle's measure 1."""
        super().__init__()
        self.vectors = layer_vectors(network)
        self.norm = embedding_norm

    def forward(self, embedding: Tensor) -> Tensor:
        """The vector that every layer adds, one after another."""
        whole = (embedding * self.norm)[None].to(self.vectors.weight.dtype)
        vectors: Tensor = self.vectors(whole)[0].float()
        return vectors


class FullEncoder(nn.Module):
    """`encoder.onnx`: frame uint8 [H, W, 3] -> a state in which the train stands there."""

    def __init__(self, codec: Any) -> None:
        super().__init__()
        self.codec = codec
        self.scale = float(codec.config.scaling_factor)

    def forward(self, frame: Tensor) -> Tensor:
        """The latent of a frame, twice."""
        kind = next(self.codec.parameters()).dtype
        x = (frame.permute(2, 0, 1)[None].float() / 127.5 - 1.0).to(kind)
        latent = encode(self.codec, x).float()
        return latent.expand(CONTEXT, -1, -1, -1) * 1.0


class FullDecoder(nn.Module):
    """`decoder.onnx`: state -> frame uint8 [H, W, 3], by the tiny autoencoder."""

    def __init__(self, display: Any) -> None:
        super().__init__()
        self.display = display

    def forward(self, latents: Tensor) -> Tensor:
        """See the newest latent."""
        kind = next(self.display.parameters()).dtype
        x: Tensor = self.display.decode(latents[-1:].to(kind), return_dict=False)[0]
        levels = (x[0].float() * 127.5 + 127.5).clamp(0.0, 255.0).round()
        return levels.permute(1, 2, 0).to(torch.uint8)


class FullEmbedder(nn.Module):
    """`embedder.onnx`: picture uint8 [h, w, 3] -> CLIP's image embedding at norm 1, [D]."""

    def __init__(self, vision: Any) -> None:
        super().__init__()
        self.vision = vision

    def forward(self, picture: Tensor) -> Tensor:
        """Embed one picture."""
        embedding = embed(self.vision, picture.permute(2, 0, 1)[None].float() / 255.0)
        return torch.nn.functional.normalize(embedding.float())[0]


def encode(codec: Any, frames: Tensor) -> Tensor:
    """Latents [B, LATENT, h, w] of frames [B, 3, H, W] in -1..1: the mean, scaled as trained."""
    found = codec.encode(frames, return_dict=False)[0]
    latent: Tensor = found.mode() * float(codec.config.scaling_factor)
    return latent


def embed(vision: Any, pictures: Tensor) -> Tensor:
    """CLIP's projected embeddings [B, D], not normed, of pictures [B, 3, s, s] in 0..1."""
    kind = next(vision.parameters()).dtype
    # by plain numbers: a tensor made here would be copied to the GPU, which no CUDA graph takes up
    levels = [(pictures[:, i] - MEAN[i]) / STD[i] for i in range(3)]
    embedding: Tensor = vision(pixel_values=torch.stack(levels, 1).to(kind)).image_embeds
    return embedding
