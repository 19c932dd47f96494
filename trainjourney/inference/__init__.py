"""Inference: a bundle on disk, checked, and the backends that run its graphs. Torch-free."""

from trainjourney.inference.bundle import Bundle, Look, Manifest, find_bundle, load_bundle
from trainjourney.inference.engine import ON_GPU, Engine, open_embedder, open_engine
from trainjourney.inference.graph import GaveWay, Overtaken, never
from trainjourney.inference.write import write_bundle

__all__ = [
    "ON_GPU",
    "Bundle",
    "Engine",
    "GaveWay",
    "Look",
    "Manifest",
    "Overtaken",
    "find_bundle",
    "load_bundle",
    "never",
    "open_embedder",
    "open_engine",
    "write_bundle",
]
