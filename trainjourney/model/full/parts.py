"""What the full model is made of: diffusers' and transformers' own classes, and their sizes."""

from dataclasses import dataclass
from typing import Any

from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

LATENT = 4  # channels of one frame's latent
DOWN = 8  # px of the frame per latent cell

# Stable Diffusion 1's U-Net, as the image-variations model has it (768: one CLIP token)
UNET: dict[str, Any] = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "block_out_channels": (320, 640, 1280, 1280),
    "attention_head_dim": 8,
}
CODEC: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": LATENT,
    "sample_size": 512,
    "scaling_factor": 0.18215,
}
VISION: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 224,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}
TINY_UNET: dict[str, Any] = {
    "sample_size": 8,
    "cross_attention_dim": 16,
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}
TINY_CODEC: dict[str, Any] = {
    **CODEC,
    "block_out_channels": (8, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "sample_size": 64,
}
TINY_DISPLAY: dict[str, Any] = {
    "encoder_block_out_channels": (8, 8, 8, 8),
    "decoder_block_out_channels": (8, 8, 8, 8),
    "num_encoder_blocks": (1, 1, 1, 1),
    "num_decoder_blocks": (1, 1, 1, 1),
}
TINY_VISION: dict[str, Any] = {
    **VISION,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 16,
    "image_size": 32,
    "projection_dim": 16,
}


@dataclass(frozen=True)
class Parts:
    """The four networks. `unet` is as the image-variations model has it, not widened."""

    unet: Any  # UNet2DConditionModel
    codec: Any  # AutoencoderKL: frame to latent, in training and at the start
    display: Any  # AutoencoderTiny: latent to frame, every frame
    vision: Any  # CLIPVisionModelWithProjection: picture to embedding


def fresh_parts(tiny: bool) -> Parts:
    """Untrained networks, tiny or of full size."""
    unet, codec = (TINY_UNET, TINY_CODEC) if tiny else (UNET, CODEC)
    display, vision = (TINY_DISPLAY, TINY_VISION) if tiny else ({}, VISION)
    return Parts(
        UNet2DConditionModel(**unet),
        AutoencoderKL(**codec),
        AutoencoderTiny(**display),
        CLIPVisionModelWithProjection(CLIPVisionConfig(**vision)),
    )
