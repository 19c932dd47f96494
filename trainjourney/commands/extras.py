"""What is said where a library of an extra is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from trainjourney.errors import TrainjourneyError


@contextmanager
def missing_extra(name: str) -> Iterator[None]:
    """Say which extra to install where a library is missing. Raises TrainjourneyError."""
    try:
        yield
    except ModuleNotFoundError as err:
        if (err.name or "trainjourney").startswith("trainjourney"):
            raise
        message = f"{err.name} is not installed here; type: pip install '.[{name}]'"
        raise TrainjourneyError(message) from err
