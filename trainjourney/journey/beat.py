"""The beat, counted in frames: it falls in the first one at or after its time, and never drifts."""


class Beat:
    """Beats of a tempo. The caller brings the time that passed."""

    def __init__(self) -> None:
        self._since_s = 0.0  # the last beat
        self._now = False

    def fall(self) -> None:
        """A beat falls in the next frame; those after it are counted from there."""
        self._now = True

    def step(self, elapsed_s: float, bpm: float) -> bool:
        """Whether a beat falls in the frame that is `elapsed_s` after the last."""
        if self._now:
            self._now, self._since_s = False, 0.0
            return True
        period_s = 60.0 / bpm
        self._since_s += elapsed_s
        if self._since_s < period_s - 1e-9:
            return False
        self._since_s = max(self._since_s - period_s, 0.0) % period_s
        return True
