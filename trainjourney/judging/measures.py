"""All measures of one case: a bundle's films, real country, or a baseline, by the same words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from . import colour, form, novelty, response, steady, survival, travel
from .observer import EVERY, Observation
from .picture import Floats
from .plan import SWITCH

Figures = dict[str, float]


@dataclass
class Case:
    """What was observed of one maker of pictures; what it does not have is not measured."""

    long: dict[str, list[Observation]]  # by look
    levers: list[Observation] = field(default_factory=list)  # note["speed"]
    switches: list[Observation] = field(default_factory=list)  # note["look"], note["to"]
    twins: list[Observation] = field(default_factory=list)
    edges: dict[str, float] = field(default_factory=dict)  # by look

    @property
    def films(self) -> list[Observation]:
        return [film for films in self.long.values() for film in films]


@dataclass(frozen=True)
class Real:
    """What real country reads: the ground that all cases are held against."""

    films: dict[str, Observation]  # by look
    ways: Floats  # principal directions of the eye's features
    limit: float  # Fréchet distance that 99 % of real stretches keep within
    distances: list[float]
    bands: dict[str, float]  # speed that every band shows, all worlds together
    near: dict[str, float]  # novelty.near_distance of every world

    def stretches(self, look: str) -> list[Floats]:
        """The features of every stretch of a world."""
        film = self.films[look]
        return list(survival.windows(film.times, film.features).values())


def settle_real(films: dict[str, Observation]) -> Real:
    """The ground, from the observed stretches of every world."""
    ways = survival.principal(np.concatenate([f.features for f in films.values()]))
    distances = []
    for film in films.values():
        stretches = list(survival.windows(film.times, film.features).values())
        distances += survival.real_distances(stretches, ways)
    limit = survival.limit_of(distances)
    near = {
        look: novelty.near_distance(novelty.prints(f.thumbs), f.times) for look, f in films.items()
    }
    bands = travel.band_speeds(_shifts(list(films.values())))
    return Real(films, ways, limit, distances, bands, near)


def measure(case: Case, real: Real, travel_px: float = travel.TRAVEL_PX) -> Figures:
    """Every figure of aims.MEASURES that the case has films for; the rest is nan."""
    figures: Figures = {}
    figures |= _travel(case, real, travel_px)
    figures |= _contrast(case)
    figures |= _survival(case, real)
    figures |= _novelty(case, real)
    figures |= _look(case, real)
    figures |= _form(case, real)
    details = np.concatenate([film.details for film in case.films])
    figures["edge"] = steady.edge_ratio(details, float(case.films[0].note.get("speed", 1.0)))
    figures["flicker"] = _mean([float(film.flicker.mean()) for film in case.films])
    figures["weave"] = _mean([float(film.weave.mean()) for film in case.films])
    figures["spoilt"] = _mean([float(film.spoilt.mean()) for film in case.films])
    return figures


def _travel(case: Case, real: Real, travel_px: float) -> Figures:
    bands = travel.band_speeds(_shifts(case.films), travel_px)
    errors = [travel.speed_error(travel.speed_of(bands), 1.0)]
    for film in case.levers:
        seen = travel.speed_of(travel.band_speeds(film.shifts, travel_px))
        errors.append(travel.speed_error(seen, float(film.note["speed"])))
    held = [
        travel.speed_error(speed / real.bands[name], 1.0)
        for name, speed in bands.items()
        if abs(real.bands[name] - 1.0) < 0.5  # else these worlds do not show that band
    ]
    frozen = [travel.frozen_share(f.times, f.motion, f.change, 1.0) for f in case.films]
    return {
        "travel": max(errors),
        "bands": max(held, default=1.0),
        "order": travel.in_order(bands),
        "freeze": _mean(frozen),
    }


def _contrast(case: Case) -> Figures:
    drifts = []
    for film in case.films:
        start, end = colour.opening_and_ending(film.times)
        drifts.append(colour.drift(film.colour, start, end))
    return {name: _mean([d[name] for d in drifts]) for name in colour.STATISTICS}


def film_distances(film: Observation, look: str, real: Real) -> dict[int, float]:
    """The Fréchet distance of every window of a film to its world."""
    return survival.film_distances(film.times, film.features, real.stretches(look), real.ways)


def _survival(case: Case, real: Real) -> Figures:
    if any(film is real.films[look] for look, films in case.long.items() for film in films):
        inside = float(np.mean(np.array(real.distances) <= real.limit))
        return {"survival_1k": inside, "inside": inside}  # real country outlives any film
    found = [film_distances(f, look, real) for look, films in case.long.items() for f in films]
    figures = {}
    for name, until in (("1k", 1000), ("10k", 10000), ("30k", 30000)):
        lives = [
            survival.alive(apart, real.limit, until)
            for apart in found
            if apart and max(apart) + survival.WINDOW >= 0.95 * until
        ]
        known = [float(life) for life in lives if life is not None]
        figures[f"survival_{name}"] = _mean(known)
    every = [d for apart in found for d in apart.values()]
    figures["inside"] = float(np.mean(np.array(every) <= real.limit)) if every else float("nan")
    return figures


def _novelty(case: Case, real: Real) -> Figures:
    near, share, again, pairs = [], [], [], []
    for look, films in case.long.items():
        for film in films:
            prints = novelty.prints(film.thumbs)
            near.append(novelty.near_distance(prints, film.times) / real.near[look])
            share.append(novelty.places(prints, film.times, real.near[look]))
            again.append(novelty.seen_before(prints, film.times, real.near[look]))
            if film is real.films[look]:
                parts = survival.windows(film.times, prints)
                pairs.append(novelty.journeys_apart(list(parts.values())) / real.near[look])
    if case.twins:
        look = str(case.twins[0].note["look"])
        films = [case.long[look][0], *case.twins]
        late = [film.thumbs[film.times >= novelty.APART] for film in films]
        if all(len(thumbs) for thumbs in late):
            journeys = [novelty.prints(thumbs) for thumbs in late]
            pairs.append(novelty.journeys_apart(journeys) / real.near[look])
    return {
        "novelty": _mean(near),
        "places": _mean(share),
        "returns": _mean(again),
        "twins": _mean(pairs),
    }


def _look(case: Case, real: Real) -> Figures:
    halves, mosts, errors, named, held = [], [], [], [], []
    for film in case.switches:
        answer = response.respond(film.times, film.palette, SWITCH)
        halves.append(answer.half)
        mosts.append(answer.most)
        before, end = film.times <= SWITCH, film.times > film.times.max() - response.SETTLING
        to = str(film.note["to"])
        if to in case.long or to in real.films:
            home = case.long[to][0] if to in case.long else real.films[to]
            start, last = film.palette[before].mean(0), film.palette[end].mean(0)
            errors.append(response.look_error(last, start, home.palette.mean(0)))
        if "family" in film.note:
            named.append(float(film.family[end].mean(0).argmax() == film.note["family"]))
        after = (film.times > SWITCH) & (film.times <= SWITCH + 60)
        follows = [np.isfinite(film.motion[part]).mean() for part in (before, after)]
        held.append(min(1.0, float(follows[1] / max(follows[0], 1e-3))))
    return {
        "look_50": _mean(halves), "look_90": _mean(mosts), "look_error": _mean(errors),
        "look_named": _mean(named), "held": _mean(held),
    }  # fmt: skip


def real_cuts(real: Real, switches: Sequence[tuple[str, str]]) -> Figures:
    """What the response to these switches reads where it is a cut of real country."""
    halves, mosts = [], []
    for look, to in switches:
        if not {look, to} <= set(real.films):
            continue
        first, second = (real.films[name] for name in (look, to))
        befores = survival.windows(first.times, first.palette).values()
        afters = survival.windows(second.times, second.palette).values()
        for before, after in zip(befores, afters, strict=False):
            answer = response.cut(before[: SWITCH // EVERY], after, EVERY)
            halves.append(answer.half)
            mosts.append(answer.most)
    return {"look_50": _mean(halves), "look_90": _mean(mosts)}


def _form(case: Case, real: Real) -> Figures:
    overlaps, sure = [], []
    for look, films in case.long.items():
        for film in films:
            mine, home = film, real.films[look]
            if film is home:  # real country against itself: one half of its stretches and the other
                odd = (film.times // 1000).astype(int) % 2 == 1
                ours, theirs = form.counts(film.kinds[odd]), form.counts(film.kinds[~odd])
            else:
                ours, theirs = form.counts(mine.kinds), form.counts(home.kinds)
            overlaps.append(form.overlap(ours, theirs))
            sure.append(form.sureness(mine.kinds))
    return {
        "form": _mean(overlaps),
        "sureness": _mean(sure),
        "carried": _mean(list(case.edges.values())),
    }


def _shifts(films: Sequence[Observation]) -> dict[str, Floats]:
    return {b.name: np.concatenate([f.shifts[b.name] for f in films]) for b in travel.BANDS}


def _mean(values: Sequence[float]) -> float:
    """The mean of what is known; inf stays."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
