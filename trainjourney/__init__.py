"""Trainjourney: an endless train window, dreamed live by a model."""

__version__ = "0.1.0"
