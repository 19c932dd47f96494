"""Which files of a folder of looks are pictures, by their names."""

from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MOST_FILES = 1000  # looked at


def pictures_in(folder: Path) -> list[str]:
    """The files of a folder that count, by their names. Raises OSError."""
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if is_picture(name)][:MOST_FILES]


def is_picture(name: str) -> bool:
    """Whether a file counts, by its name; hidden and half-written ones do not."""
    return name.lower().endswith(SUFFIXES) and name[0] not in ".~"
