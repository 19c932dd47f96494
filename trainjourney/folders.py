"""Where a user's machine keeps what a program remembers and what it can make anew."""

import os
from pathlib import Path


def state_folder() -> Path:
    """What is to be kept: presets, maps, journals. After the XDG Base Directory Specification."""
    return _home("XDG_STATE_HOME", "~/.local/state")


def cache_folder() -> Path:
    """What may be deleted at any time."""
    return _home("XDG_CACHE_HOME", "~/.cache")


def _home(variable: str, otherwise: str) -> Path:
    return Path(os.environ.get(variable) or otherwise).expanduser() / "trainjourney"
