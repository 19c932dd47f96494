"""An output that shows nothing: for measuring, and for journeys no one watches."""

from trainjourney.types import Frame


class NullOutput:
    """Counts the frames and lets them go."""

    def __init__(self) -> None:
        self.frames = 0

    def show(self, frame: Frame) -> None:
        """Count it."""
        self.frames += 1

    def close(self) -> None:
        """Nothing to close."""
