"""What is filmed for a judgement: which looks, seeds, speeds and switches, for how long."""

from collections.abc import Sequence
from dataclasses import dataclass

SPEEDS = (-2.0, -1.0, 0.0, 0.5, 1.0, 2.0)
SHEET = (0, 30, 300, 3000, 30000)  # frames of the contact sheet
STRIP = 10  # pictures of a film strip, STRIP_GAP frames from one to the next
STRIP_GAP = 15
TWINS = 10  # with the first film 55 pairs: poles of two that fall together do so for long
SWITCH = 100  # frames before another look is asked for


@dataclass(frozen=True)
class Shot:
    """One film of a bundle: how it begins, what is asked of it, for how many frames."""

    name: str
    look: str
    seed: int
    frames: int
    speed: float = 1.0
    to: str = ""  # the look asked for after SWITCH frames


@dataclass(frozen=True)
class Plan:
    """All films of a judgement, and how much real country they are held against."""

    shots: tuple[Shot, ...]
    looks: tuple[str, ...]  # one a seed: the worlds that are judged
    windows: int  # stretches of real country of every world
    stretch: int = 249  # frames of one of them
    baselines: int = 760  # frames of each; 0: none

    def of(self, kind: str) -> list[Shot]:
        """The shots of a kind: long, lever, switch, twin."""
        return [shot for shot in self.shots if shot.name.startswith(f"{kind}-")]


def plan_shots(looks: Sequence[str], frames: int, seeds: int, short: bool) -> Plan:
    """The films: a long one a seed, all speeds, a switch a seed, a twin of the first."""
    step = max(1, len(looks) // seeds)
    chosen = tuple(looks[i * step % len(looks)] for i in range(seeds))
    shots = [Shot(f"long-{i}", look, i, frames) for i, look in enumerate(chosen)]
    for look in chosen[:1] if short else chosen[:2]:
        speeds = (-1.0, 0.0, 2.0) if short else SPEEDS
        shots += [
            Shot(f"lever-{look}-{speed:g}", look, 50, 100 if short else 260, speed)
            for speed in speeds
        ]
    for i, look in enumerate(chosen[: 2 if short else seeds]):
        # to another of the judged worlds, so that its own film tells how it should look
        bank = chosen if seeds > 1 else tuple(looks)
        other = bank[(bank.index(look) + max(1, len(bank) // 3)) % len(bank)]
        shots.append(Shot(f"switch-{i}", look, 100 + i, SWITCH + (250 if short else 400), to=other))
    if not short:
        shots += [Shot(f"twin-{i}", chosen[0], 200 + i, min(frames, 1000)) for i in range(TWINS)]
    return Plan(tuple(shots), chosen, 3 if short else 8, baselines=0 if short else 760)


def is_pictured(time: int, frames: int) -> bool:
    """Whether a picture of a long film is kept: for the sheet, and strips of its start and end."""
    length = STRIP * STRIP_GAP
    ends = time <= length or time > frames - length
    return time in SHEET or time == frames or (ends and time % STRIP_GAP == 0)
