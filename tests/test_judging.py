"""The judge on films whose truth is known: real rides, and what must fail beside them."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from trainjourney.judging import colour, form, novelty, response, steady, survival, travel
from trainjourney.judging.eye import Seen
from trainjourney.judging.films import carried, real_film, real_ride, to_bytes, warped_film
from trainjourney.judging.observer import Observation, Observer, wanted
from trainjourney.judging.picture import Floats, blur, fit, luma, shrink
from trainjourney.judging.shift import backdrop, block_shifts
from trainjourney.scenery.ride import Ride
from trainjourney.scenery.style import mix
from trainjourney.scenery.worlds import WORLDS
from trainjourney.types import Frame

FRAMES = 78
Frames = list[tuple[int, Frame]]


class Blind:
    """An eye that sees nothing: these tests are of what needs none."""

    def look(self, smalls: NDArray[np.uint8]) -> Seen:
        n = len(smalls)
        nothing = np.zeros((n, 2, 8), np.float32)
        return Seen(nothing[:, 0, :4], nothing, nothing[:, 0, :2], nothing[:, 0, 0])


def observe(film: Iterable[tuple[int, Frame]]) -> Observation:
    observer = Observer(Blind())  # type: ignore[arg-type]
    for time, frame in film:
        observer.add(time, frame)
    return observer.finish()


def speed(seen: Observation) -> float:
    return travel.speed_of(travel.band_speeds(seen.shifts))


def frozen(seen: Observation, commanded: float = 1.0) -> float:
    return travel.frozen_share(seen.times, seen.motion, seen.change, commanded)


@pytest.fixture(scope="module")
def ride() -> Ride:
    return real_ride("meadow", 1, FRAMES)


@pytest.fixture(scope="module")
def film(ride: Ride) -> Frames:
    return list(real_film(ride, FRAMES))


@pytest.fixture(scope="module")
def real(film: Frames) -> Observation:
    return observe(film)


def changed(film: Frames, change: Callable[[int, Frame], Frame]) -> Observation:
    return observe([(time, change(time, frame)) for time, frame in film])


@pytest.fixture(scope="module")
def still(film: Frames) -> Observation:
    return changed(film, lambda time, frame: film[0][1])


@pytest.fixture(scope="module")
def noise(film: Frames) -> Observation:
    rng = np.random.default_rng(1)
    return changed(film, lambda t, f: rng.integers(0, 256, f.shape, np.uint8))


def test_travel_reads_a_real_ride_right(real: Observation) -> None:
    speeds = travel.band_speeds(real.shifts)
    for name in ("middle", "near", "track", "foreground"):
        assert speeds[name] == pytest.approx(1.0, abs=0.03)
    assert travel.speed_error(speed(real), 1.0) < 0.02
    assert travel.in_order(speeds) == 1.0
    assert frozen(real) == 0.0


@pytest.mark.parametrize("commanded", [0.5, -1.0])
def test_half_speed_and_backwards_are_told(ride: Ride, commanded: float) -> None:
    seen = observe(real_film(ride, 31, commanded))
    assert speed(seen) == pytest.approx(commanded, abs=0.02)
    assert travel.speed_error(speed(seen), commanded) < 0.04
    assert travel.speed_error(speed(seen), 1.0) > 0.45
    assert frozen(seen) == (1.0 if commanded < 0.0 else 0.0)


def test_a_frozen_film_is_told(real: Observation, still: Observation) -> None:
    assert abs(speed(still)) < 0.01
    assert travel.speed_error(speed(still), 1.0) > 0.98
    assert frozen(still) == 1.0
    assert np.isnan(frozen(still, commanded=0.0))
    prints = novelty.prints(still.thumbs)
    assert novelty.near_distance(prints, 100.0 * still.times) < 1e-3
    assert novelty.near_distance(novelty.prints(real.thumbs), 100.0 * real.times) > 0.05


def test_noise_has_no_speed(noise: Observation) -> None:
    assert sum(map(len, noise.shifts.values())) == 0
    assert travel.speed_error(speed(noise), 1.0) == 1.0
    assert travel.in_order(travel.band_speeds(noise.shifts)) == 0.0


def test_a_fading_film_is_told(film: Frames, real: Observation) -> None:
    def fade(time: int, frame: Frame) -> Frame:
        return np.round(frame * (1.0 - 0.6 * time / FRAMES)).astype(np.uint8)

    seen = changed(film, fade)
    start, end = colour.opening_and_ending(seen.times)
    assert speed(seen) == pytest.approx(1.0, abs=0.03)  # it moves on, though
    for name, share in colour.drift(seen.colour, start, end).items():
        assert share > 0.2, name
    assert max(colour.drift(real.colour, start, end).values()) < 0.15


def test_flicker_of_a_ride_of_a_frozen_film_and_of_noise(
    film: Frames, real: Observation, still: Observation, noise: Observation
) -> None:
    rng = np.random.default_rng(2)

    def shimmer(time: int, frame: Frame) -> Frame:
        return np.clip(frame + rng.normal(0.0, 9.0, frame.shape), 0, 255).astype(np.uint8)

    seen = changed(film[:30], shimmer)
    assert still.flicker.mean() < 0.01 < real.flicker.mean() < 0.5
    assert seen.flicker.mean() > 1.5 * real.flicker.mean()
    assert noise.flicker.mean() > 0.6
    assert still.weave[0] > 3.0 * real.weave[0]  # all of it stands still on the glass


def test_the_entering_strip_of_a_ride_is_as_sharp_as_the_rest(
    ride: Ride, real: Observation
) -> None:
    assert steady.edge_ratio(real.details, 1.0) == pytest.approx(1.0, abs=0.25)
    seen = observe(warped_film(ride, 40))
    assert steady.edge_ratio(seen.details, 1.0) < 0.6
    assert speed(seen) == pytest.approx(1.0, abs=0.05)  # what there is moves on


def invented(count: int, seed: int) -> Floats:
    """Prints of so many pictures that have nothing in common."""
    noise = np.random.default_rng(seed).normal(size=(count, 9, 64)).astype(np.float32)
    return novelty.prints((128.0 + 40.0 * noise).clip(0, 255).astype(np.uint8))


def test_a_film_that_comes_round_again_is_told() -> None:
    near = 0.2
    own, times = invented(24, 3), np.arange(24) * 500.0
    assert novelty.seen_before(own, times, near) == 0.0
    assert novelty.places(own, times, near) == 1.0
    assert novelty.near_distance(own, times) > 0.5
    twice = np.concatenate([own[:12], own[:12]])
    assert novelty.seen_before(twice, times, near) == 1.0
    # of 8 of 24 frames, each with one twin, so many are expected: 8 * 7 / 2 pairs, 1 in 23 alike
    assert novelty.places(twice, times, near) == pytest.approx(1.0 - 28 / 23 / 8, abs=0.03)
    four = np.tile(own[:4], (6, 1))
    assert novelty.places(four, times, near) < 0.5
    assert np.isnan(novelty.places(own[:2], times[:2], near))


def test_a_film_is_not_poorer_for_being_longer() -> None:
    """Of more frames more meet by chance: so all films are read by the same number of them."""
    long, times = invented(600, 4), np.arange(600) * 250.0
    threshold = float(np.percentile(1.0 - (long @ long.T)[np.triu_indices(600, 1)], 1.0))
    shares = [novelty.places(long[:n], times[:n], threshold) for n in (8, 60, 600)]
    assert shares == pytest.approx([1.0 - 28 * 0.01 / 8] * 3, abs=0.06)


def test_journeys_that_are_one_are_told() -> None:
    one, two, three = (invented(40, seed) for seed in (5, 6, 7))
    assert novelty.journeys_apart([one, two, three]) > 0.5
    assert novelty.journeys_apart([one, two, one]) == pytest.approx(0.0, abs=1e-5)
    assert np.isnan(novelty.journeys_apart([one]))


def test_look_response_of_a_melt_of_known_length() -> None:
    ride = Ride(5, mix(WORLDS["meadow"], WORLDS["meadow"], 0.0), WORLDS["ember"], reach=10.0)
    steps = []
    for melt in np.linspace(0.0, 1.0, 13):
        ride.melt = float(melt)
        steps.append(colour.look_at(to_bytes(ride.view()))[1])
    times = np.arange(5.0, 505.0, 5.0)
    at = np.clip((times - 100.0) / 60.0, 0.0, 1.0)  # sixty frames, from frame 100 on
    looks = np.array([steps[round(12 * part)] for part in at])
    answer = response.respond(times, looks, 100)
    assert answer.half == pytest.approx(30.0, abs=8.0)
    assert answer.most == pytest.approx(54.0, abs=8.0)
    assert response.look_error(looks[-1], looks[0], looks[-1]) == 0.0
    assert response.look_error(looks[0], looks[0], looks[-1]) == pytest.approx(1.0)
    never = response.respond(times, np.repeat(looks[:1], len(times), 0), 100)
    assert never.half == never.most == np.inf
    at_once = response.cut(looks[:20], looks[-40:], 5)
    assert at_once.half == at_once.most == 5.0
    late = np.concatenate([looks[:1].repeat(9, 0), looks[-1:].repeat(31, 0)])
    assert response.cut(looks[:20], late, 5).most == 50.0


def test_edges_of_a_carried_frame(ride: Ride) -> None:
    truth, there = carried(ride, 20)
    first, _ = carried(ride, 0)
    assert 0.5 < there.mean() < 0.99
    assert form.edges_kept(truth, truth, there) == 1.0
    soft = np.round(blur(truth.astype(np.float32), 5)).astype(np.uint8)
    assert form.edges_kept(truth, soft, there) < 0.6
    assert form.edges_kept(truth, first, there) < 0.5
    assert form.edges_kept(truth, np.full_like(truth, 128), there) == 0.0


def test_things_are_counted_and_held_against_real_ones() -> None:
    kinds = np.zeros((4, 3, 8), np.float32)
    kinds[:, 0, :2], kinds[:2, 1, 0] = 0.9, 0.7
    assert form.counts(kinds).tolist() == [2.0, 0.5, 0.0]
    assert form.sureness(kinds) == pytest.approx((8 * 0.9 + 2 * 0.7) / 10)
    real = np.array([2.0, 1.0, 2.0], np.float32)
    assert form.overlap(form.counts(kinds), real) == pytest.approx(0.5)
    assert form.overlap(real, real) == 1.0
    assert form.sureness(0.0 * kinds) == form.overlap(0.0 * real, real) == 0.0


def test_frechet_distance_of_known_gaussians() -> None:
    rng = np.random.default_rng(4)
    a, b = (rng.normal(size=(20000, 3)).astype(np.float32) for _ in range(2))
    assert survival.frechet(a, b) < 0.01
    assert survival.frechet(a, b + 2.0) == pytest.approx(12.0, rel=0.03)
    assert survival.frechet(a, 3.0 * b) == pytest.approx(12.0, rel=0.05)


def test_a_film_that_leaves_real_country_dies_there() -> None:
    rng = np.random.default_rng(5)
    times = np.arange(5.0, 5000.0, 5.0)
    lasting = rng.normal(size=(len(times), 10)).astype(np.float32)
    real = [rng.normal(size=(50, 10)).astype(np.float32) for _ in range(20)]
    ways = survival.principal(np.concatenate(real))
    limit = survival.limit_of(survival.real_distances(real, ways))
    leaving = lasting + np.where(times > 2000, 3.0, 0.0)[:, None].astype(np.float32)
    for features, until, lives in (
        (lasting, 5000, True), (leaving, 2000, True), (leaving, 5000, False),
    ):  # fmt: skip
        apart = survival.film_distances(times, features, real, ways)
        assert len(apart) == 20
        assert survival.alive(apart, 1.2 * limit, until) is lives
    assert survival.alive({}, limit, 1000) is None


def test_blocks_tell_parts_of_a_pixel() -> None:
    rng = np.random.default_rng(6)
    wide = blur(rng.normal(size=(16, 2100)).astype(np.float32), 4, (1,)) * 100.0
    fine = wide[:, :2080].reshape(16, 520, 4).mean(2)
    moved = wide[:, 18:2098].reshape(16, 520, 4).mean(2)  # 4.5 px to the left
    found = block_shifts(fine[:, :512], moved[:, :512], 12)
    assert len(found) > 0.8 * 2 * 20  # two lines of blocks
    assert np.median(found) == pytest.approx(-4.5, abs=0.1)
    assert len(block_shifts(0.0 * fine, 0.0 * fine, 12)) == 0


def test_the_backdrop_is_the_slowest_that_many_agree_on() -> None:
    values = np.array([9.0] * 60 + [3.0, 3.1, 2.9, 3.05] * 8 + [0.5] + [-7.0] * 2, np.float32)
    assert backdrop(values, 0.3) == pytest.approx(3.0, abs=0.05)
    assert np.isnan(backdrop(values[:2], 0.3))


def test_pictures_are_judged_at_one_size() -> None:
    big = np.random.default_rng(7).integers(0, 256, (512, 1024, 3), np.uint8)
    assert fit(big).shape == (256, 512, 3)
    assert fit(fit(big)) is not None and np.array_equal(fit(fit(big)), fit(big))
    half = shrink(big, 2)
    assert half[3, 5] == pytest.approx(big[6:8, 10:12].reshape(4, 3).mean(0))
    assert np.ptp(luma(np.full((2, 2, 3), 77, np.uint8))) == 0.0


def test_memory_stays_bounded(real: Observation) -> None:
    arrays = [a for a in vars(real).values() if isinstance(a, np.ndarray)]
    total = sum(a.nbytes for a in (*arrays, *real.shifts.values()))
    looked_at = len(real.times)
    assert looked_at == FRAMES // 5 and sum(map(wanted, range(1, 251))) == 70
    assert total / looked_at < 4000  # 30,000 frames: 24 MB
