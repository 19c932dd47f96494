"""A judgement from end to end: the eye, films that go on, the report, the published figures."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import write_tiny_bundle

from trainjourney.errors import BackendError, BundleError, OutputError
from trainjourney.inference.manifest import to_toml
from trainjourney.judging.aims import MEASURES
from trainjourney.judging.crew import film_plan
from trainjourney.judging.eye import EYE, Eye, to_eye
from trainjourney.judging.films import real_ride, to_bytes
from trainjourney.judging.judge import Judgement, judge
from trainjourney.judging.plan import Plan, Shot, plan_shots
from trainjourney.judging.published import publish, published, worse
from trainjourney.judging.report import last_line, summarise, write_report
from trainjourney.training.progress import Silent

LOOKS = ("red", "green", "blue")
PLAN = Plan(
    (
        Shot("long-0", "red", 0, 40),
        Shot("lever-red-2", "red", 1, 30, speed=2.0),
        Shot("switch-0", "red", 2, 215, to="blue"),
        Shot("twin-0", "red", 3, 40),
    ),
    ("red",),
    windows=2,
    stretch=30,
    baselines=0,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    write_tiny_bundle(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def judged(place: Path) -> Judgement:
    return judge(str(place / "tiny"), place / "report", backend="onnxruntime", plan=PLAN)


def test_every_measure_is_there_and_none_is_unnamed(judged: Judgement) -> None:
    names = {m.name for m in MEASURES}
    assert set(judged.figures["value"]) <= names
    missing = names - set(judged.figures["value"])
    assert missing == set(), missing


def test_the_report_is_whole_and_says_what_it_cannot_tell(judged: Judgement) -> None:
    table = write_report(judged)
    folder = judged.folder
    kept = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(table))
    for name in ("sheet.png", "strip-red.png", "plots/travel.png", "plots/things.png"):
        assert (folder / name).stat().st_size > 1000, name
    line = json.loads(last_line(table))
    assert line["bundle"] == "tiny" and line["measures"]["survival_30k"] is None
    # a painted strip is no country
    assert "form" in line["missed"] and "travel" in line["missed"]


def test_what_was_filmed_is_not_filmed_again(judged: Judgement, place: Path) -> None:
    films = sorted((place / "report").rglob("*.npz"))
    stamps = [path.stat().st_mtime_ns for path in films]
    again = judge(str(place / "tiny"), place / "report", backend="onnxruntime", plan=PLAN)
    assert [path.stat().st_mtime_ns for path in films] == stamps and len(films) == 5
    drop = {"minutes"}
    one, two = (summarise(j)["facts"] for j in (judged, again))
    assert {k: v for k, v in one.items() if k not in drop} == {
        k: v for k, v in two.items() if k not in drop
    }
    assert summarise(judged)["measures"] == summarise(again)["measures"]


def test_a_crew_films_the_same_side_by_side(judged: Judgement, place: Path) -> None:
    folder = place / "crew"
    both = judge(str(place / "tiny"), folder, backend="onnxruntime", plan=PLAN, jobs=2)
    one, two = (summarise(j) for j in (judged, both))
    assert one["measures"] == two["measures"]
    made = {path.name for path in (folder / "films").glob("*.npz")}
    assert made == {f"{shot.name}.npz" for shot in PLAN.shots}
    with pytest.raises(BackendError, match="no backend 'none'"):
        judge(str(place / "tiny"), folder, backend="none", plan=PLAN, jobs=2)


def test_a_judgement_that_is_refused_leaves_nothing_behind(place: Path) -> None:
    report, tiny = place / "refused" / "report", str(place / "tiny")
    for bundle, against in (("nope", None), (tiny, "nope")):
        with pytest.raises(BundleError, match="nope"):
            judge(bundle, report, against=against, backend="onnxruntime")
    with pytest.raises(BackendError, match="abacus"):
        judge(tiny, report, backend="abacus")
    assert not report.parent.exists()
    report.parent.write_text("a file")
    with pytest.raises(OutputError, match="give --report another place"):
        judge(tiny, report, backend="onnxruntime")


def test_a_film_that_fails_is_told_before_the_films_beside_it_end(place: Path) -> None:
    folder = place / "failing"
    shots = (Shot("endless", "red", 0, 10**7), Shot("short", "nowhere", 0, 40))
    plan, tiny = Plan(shots, (), 1), str(place / "tiny")
    began_s = time.monotonic()
    with pytest.raises(KeyError, match="nowhere"):
        film_plan(tiny, folder, "onnxruntime", "f32", plan, 2, Silent())
    assert time.monotonic() - began_s < 60.0
    assert not list(folder.rglob("endless*.npz"))


def test_a_crew_goes_home_when_its_judge_is_killed(place: Path) -> None:
    code = (
        "from pathlib import Path; from trainjourney.judging.judge import judge\n"
        "if __name__ == '__main__':\n"
        f"    judge({str(place / 'tiny')!r}, Path({str(place / 'killed')!r}), 10**6, 2, "
        "backend='onnxruntime', jobs=2)"
    )
    script = place / "judging.py"
    script.write_text(code, encoding="utf-8")
    leader = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    try:
        _until(lambda: _group(leader.pid) >= 3)  # and what keeps their semaphores
        leader.kill()
        leader.wait()
        _until(lambda: not _group(leader.pid))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)


def _group(leader: int) -> int:
    """How many processes of a group there are."""
    found = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True)
    lines = [line.split() for line in found.stdout.splitlines()]
    return sum(int(group) == leader and not state.startswith("Z") for group, state in lines)


def _until(done: Callable[[], bool], most_s: float = 60.0) -> None:
    end_s = time.monotonic() + most_s
    while not done():
        assert time.monotonic() < end_s, "not within a minute"
        time.sleep(0.1)


def test_published_figures_are_held(judged: Judgement, place: Path) -> None:
    folder = place / "tiny"
    with pytest.raises(BundleError, match=r"judged\.toml: has no published figures; type:"):
        published(folder)
    publish(folder, summarise(judged))
    told = published(folder)["measures"]
    values = {m["name"]: m["value"] for m in summarise(judged)["measures"]}
    assert worse(told, values) == []
    assert worse({"travel": 0.01}, {"travel": 0.5}) == ["travel: was 0.01, now 0.5"]
    assert worse({"form": 0.8}, {"form": 0.5}) == ["form: was 0.8, now 0.5"]
    assert worse({"form": 0.5}, {"form": 0.8}) == worse({"freeze": 0.0}, {"freeze": 0.01}) == []
    assert worse({"edge": 1.0}, {"edge": None}) == ["edge: was 1, now it cannot be measured"]


def test_aims() -> None:
    aims = {m.name: m for m in MEASURES}
    assert aims["travel"].passes(0.05, 0.0) and not aims["travel"].passes(0.06, 0.0)
    assert aims["form"].passes(0.81 * 0.7, 0.7) and not aims["form"].passes(0.5, 0.7)
    assert aims["flicker"].passes(0.85, 1.0) and not aims["flicker"].passes(1.3, 1.0)
    assert aims["survival_30k"].passes(0.95, 1.0) and not aims["survival_30k"].passes(0.9, 1.0)
    assert aims["form"].passes(float("nan"), 0.7) is aims["returns"].passes(0.0, 0.0) is None
    assert aims["look_90"].passes(float("inf"), float("nan")) is False


def test_the_full_plan_films_what_the_specification_asks_for() -> None:
    plan = plan_shots([f"look{i}" for i in range(16)], 30000, 8, short=False)
    assert len(plan.of("long")) == len(set(plan.looks)) == 8
    assert {shot.frames for shot in plan.of("long")} == {30000}
    assert {shot.speed for shot in plan.of("lever")} == {-2.0, -1.0, 0.0, 0.5, 1.0, 2.0}
    assert all(shot.to in plan.looks and shot.to != shot.look for shot in plan.of("switch"))
    assert len({shot.name for shot in plan.shots}) == len(plan.shots)
    small = plan_shots(LOOKS, 600, 2, short=True)
    assert sum(shot.frames for shot in small.shots) < 4000 and small.baselines == 0


def test_the_eye_knows_worlds_and_tells_a_torn_picture() -> None:
    eye = Eye()
    looks = ("meadow", "city", "mesa", "winter", "neon")
    frames = np.stack([to_eye(to_bytes(real_ride(look, 40, 1).view())) for look in looks])
    seen = eye.look(frames)
    assert seen.kinds.shape == (5, len(eye.kinds), 8) and seen.features.shape[0] == 5
    named = [eye.families[i] for i in seen.family.argmax(1)]
    assert sum(a == b for a, b in zip(named, looks, strict=True)) >= 4
    rng = np.random.default_rng(8)
    torn = frames.reshape(5, 128, 32, 8, 3)[:, :, rng.permutation(32)].reshape(frames.shape)
    soft = frames.reshape(5, 16, 8, 32, 8, 3).mean((2, 4)).repeat(8, 1).repeat(8, 2)
    for bad in (torn, soft.astype(np.uint8), np.full_like(frames, 120)):
        other = eye.look(np.ascontiguousarray(bad))
        assert (other.kinds > 0.5).sum() < 0.5 * (seen.kinds > 0.5).sum()
        assert other.spoilt.mean() > seen.spoilt.mean() + 0.3
    assert EYE.stat().st_size < 2_000_000


def test_an_eye_that_is_gone_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"the judge's eye is not there; install"):
        Eye(tmp_path / "eye.onnx")


def test_the_note_of_the_eye_is_whole() -> None:
    note = tomllib.loads(EYE.with_suffix(".toml").read_text(encoding="utf-8"))
    assert {"kinds", "families", "training", "validation"} <= set(note)
    assert tomllib.loads(to_toml(note)) == note
