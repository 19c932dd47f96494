"""The full model: a latent diffusion network that predicts the next frame."""
