"""Inference: a bundle on disk, checked, and the backends that run its graphs. Torch-free."""

from trainjourney.inference.bundle import Bundle, Look, Manifest, find_bundle, load_bundle
from trainjourney.inference.engine import Engine, open_embedder, open_engine
from trainjourney.inference.write import write_bundle

__all__ = [
    "Bundle",
    "Engine",
    "Look",
    "Manifest",
    "find_bundle",
    "load_bundle",
    "open_embedder",
    "open_engine",
    "write_bundle",
]
