"""A judgement: film the bundle, observe real country and the baselines, measure, report."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from trainjourney.errors import BundleError
from trainjourney.inference import Bundle, find_bundle, load_bundle, open_engine
from trainjourney.training.progress import Bar, Watcher

from .crew import film_plan
from .eye import Eye
from .filming import Studio, film_real, kept_observation, key_of
from .films import Film, frozen_film, real_ride, to_bytes, warped_film
from .measures import Case, Figures, Real, measure, real_cuts, settle_real
from .observer import Observation, Observer
from .plan import Plan, plan_shots

SHORT_FRAMES, SHORT_SEEDS = 500, 1


@dataclass(frozen=True)
class Judgement:
    """All that a report is made of."""

    bundle: str
    plan: Plan
    real: Real
    case: Case
    figures: dict[str, Figures]  # "value", "floor", and the baselines by name
    facts: dict[str, str | int | float]
    folder: Path
    kinds: tuple[str, ...] = field(default=())  # of things, in the eye's order


def judge(
    bundle: str,
    report: Path,
    frames: int = 30000,
    seeds: int = 8,
    short: bool = False,
    against: str | None = None,
    backend: str = "auto",
    precision: str = "auto",
    watcher: Watcher | None = None,
    plan: Plan | None = None,
    jobs: int = 1,
) -> Judgement:
    """Judge a bundle (a name or a folder) and write the report. Raises TrainjourneyError.

    What was filmed stays in `report`; the same words go on where they were stopped. `jobs` films
    are made at a time, in processes of their own.
    """
    begun_s = time.monotonic()
    first = load_bundle(find_bundle(bundle))
    second = load_bundle(find_bundle(against)) if against else None
    if second:
        there = {look.name for look in second.looks}
        if missing := [look.name for look in first.looks if look.name not in there]:
            raise BundleError(
                f"{second.folder}: has no look '{missing[0]}', so both cannot be compared; "
                "leave --against out"
            )
    watcher = watcher or Bar()
    if short:
        frames, seeds = min(frames, SHORT_FRAMES), min(seeds, SHORT_SEEDS)
    eye = Eye()
    ours = _studio(first, eye, report / "films", backend, precision)
    plan = plan or plan_shots(list(ours.looks), frames, seeds, short)
    theirs = _studio(second, eye, report / "against", backend, precision) if second else None
    if jobs > 1:
        film_plan(bundle, report, backend, precision, plan, jobs, watcher)
    real = _real(eye, plan, report / "real", watcher)
    case = _film(ours, plan, watcher)
    figures = {
        "value": measure(case, real, ours.travel_px),
        "floor": measure(Case({look: [film] for look, film in real.films.items()}), real),
    }
    figures["floor"] |= {"carried": 1.0, "survival_10k": 1.0, "survival_30k": 1.0}
    figures["floor"] |= real_cuts(real, [(shot.look, shot.to) for shot in plan.of("switch")])
    if plan.baselines:
        for name in ("copy", "warp"):
            figures[name] = measure(_baseline(name, eye, plan, report, watcher), real)
    if theirs:
        figures["against"] = measure(_film(theirs, plan, watcher), real, theirs.travel_px)
    facts: dict[str, str | int | float] = {
        "frames": frames, "seeds": seeds, "short": int(short), "backend": ours.engine.backend,
        "precision": ours.engine.precision, "limit": real.limit,
        "thrown": sum(int(film.note.get("thrown", 0)) for film in case.films),
        "minutes": (time.monotonic() - begun_s) / 60.0,
    }  # fmt: skip
    name = ours.bundle.manifest.name
    return Judgement(name, plan, real, case, figures, facts, report, eye.kinds)


def _studio(bundle: Bundle, eye: Eye, folder: Path, backend: str, precision: str) -> Studio:
    return Studio(bundle, open_engine(bundle, backend, precision), eye, folder)


def _real(eye: Eye, plan: Plan, folder: Path, watcher: Watcher) -> Real:
    films = {}
    with _watched(watcher, "real country") as show:
        for i, look in enumerate(plan.looks):
            part = _part(show, i, len(plan.looks))
            films[look] = film_real(eye, look, plan, folder, part)
    return settle_real(films)


def _film(studio: Studio, plan: Plan, watcher: Watcher) -> Case:
    """Every shot of the plan."""
    seen: dict[str, Observation] = {}
    for shot in plan.shots:
        with _watched(watcher, shot.name) as show:
            seen[shot.name] = studio.film(shot, show)
    long: dict[str, list[Observation]] = {}
    for shot in plan.of("long"):
        long.setdefault(shot.look, []).append(seen[shot.name])
    return Case(
        long,
        [seen[shot.name] for shot in plan.of("lever")],
        [seen[shot.name] for shot in plan.of("switch")],
        [seen[shot.name] for shot in plan.of("twin")],
        studio.edges(plan),
    )


def _baseline(name: str, eye: Eye, plan: Plan, report: Path, watcher: Watcher) -> Case:
    """The last frame copied, or the first one warped, in two of the judged worlds."""
    long = {}
    for i, look in enumerate(plan.looks[:2]):
        path = report / "real" / f"{name}-{look}.npz"
        key = key_of(name, look, plan.baselines)
        found = kept_observation(path, key)
        if found is None:
            ride = real_ride(look, 800 + i, plan.baselines)
            film: Film = warped_film(ride, plan.baselines)
            if name == "copy":
                film = frozen_film(to_bytes(ride.view()), plan.baselines)
            observer = Observer(eye)
            with _watched(watcher, f"{name}, {look}") as show:
                for number, frame in film:
                    observer.add(number, frame)
                    show(number / plan.baselines, f"frame {number}")
            found = observer.finish({"key": key, "look": look})
            found.save(path)
        long[look] = [found]
    return Case(long)


Show = Callable[[float, str], None]


@contextmanager
def _watched(watcher: Watcher, name: str) -> Iterator[Show]:
    watcher.start(name)
    try:
        yield watcher.show
    finally:
        watcher.close()


def _part(show: Show, i: int, n: int) -> Show:
    return lambda fraction, text: show((i + fraction) / n, text)
