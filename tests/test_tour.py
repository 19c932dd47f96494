"""Tours: steps at their times, even glides, rounds, and mistakes told by their place."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainjourney.errors import ConfigError
from trainjourney.inference import Look
from trainjourney.journey.looks import Looks
from trainjourney.journey.tour import Step, Tour, TourSource, read_tour

ROOT = Path(__file__).parent.parent
TEXT = """
length = "0:20"
[[step]]
at = 0
look = "meadow"
melt_s = 2
[[step]]
at = "0:10"
over = 4
speed = 0.0
look = "dusk"
"weight.3" = 1
[[step]]
at = 5
speed = 2
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tour.toml"


def tour(path: Path, text: str = TEXT) -> Tour:
    path.write_text(text)
    return read_tour(path)


def said(tour: Tour, after_s: float, until_s: float) -> list[tuple[str, object]]:
    return [(change.parameter, change.value) for change in tour.changes(after_s, until_s)]


def test_steps_come_at_their_times_and_glides_go_evenly(path: Path) -> None:
    one = tour(path)
    assert said(one, -1.0, 0.0) == [("melt_s", 2.0), ("look", "meadow")]
    assert said(one, 0.0, 4.99) == []
    assert said(one, 4.99, 5.0) == [("speed", 2.0)]
    assert said(one, 5.0, 10.0) == [("speed", 2.0), ("weight.3", 0.0), ("look", "dusk")]
    assert said(one, 10.0, 11.0) == [("speed", 1.5), ("weight.3", 0.25)]
    assert said(one, 11.0, 14.5) == [("speed", 0.0), ("weight.3", 1.0)]
    assert said(one, 14.5, 19.9) == []
    again = said(one, 19.9, 20.0)
    assert again == [("melt_s", 2.0), ("look", "meadow")]
    assert said(one, 20.0, 25.0) == [("speed", 2.0)]


def test_a_look_through_a_keyhole_sees_where_all_stands(path: Path) -> None:
    one = tour(path)
    found = dict(said(one, -1.0, 12.0))
    assert found == {"melt_s": 2.0, "look": "dusk", "speed": 1.0, "weight.3": 0.5}
    assert dict(said(one, 12.0, 20_000_012.0))["speed"] == 1.0  # a million rounds later


def test_looks_that_the_bank_lacks_are_told_of_once(path: Path) -> None:
    bank = Looks([Look("meadow", np.ones(4, np.float32), Path("meadow.jpg"))])
    text = TEXT + 'pad_b = 7\npad_c = 0\n[[step]]\nat = 6\nlook = "dusk"'
    told = list(tour(path, text).lacks(bank))
    assert told == [
        "look '7' is not in the bank; there are 1 meadow",
        "look 'dusk' is not in the bank; there are 1 meadow",
    ]


def test_without_a_loop_it_ends(path: Path) -> None:
    one = tour(path, "loop = false\n" + TEXT)
    assert said(one, -1.0, 500.0)[-1] == ("look", "dusk")
    assert said(one, 500.0, 1000.0) == []


@given(st.lists(st.floats(0.01, 6.9), max_size=40))
def test_however_often_it_is_asked_it_stands_alike(gaps: list[float]) -> None:
    def made() -> Tour:
        glide = Step(2.0, 3.0, {"speed": -2.0, "brake": 1.0})
        return Tour([Step(1.0, 0.0, {"speed": 2.0, "brake": 0.0}), glide], 7.0, True)

    often, once, now_s = made(), made(), 0.0
    said(often, -1.0, 0.0)
    for gap_s in gaps:
        said(often, now_s, now_s + gap_s)
        now_s += gap_s
    said(once, -1.0, now_s)
    assert often.set_to == pytest.approx(once.set_to)


def test_by_frames_it_is_the_same_at_any_speed(path: Path) -> None:
    source = TourSource(tour(path), 2.0)
    polls = [[(c.parameter, c.value) for c in source.poll()] for _ in range(41)]
    assert polls[0] == polls[40] == [("melt_s", 2.0), ("look", "meadow")]
    assert polls[10] == [("speed", 2.0)] and polls[24][0] == ("speed", 1.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no steps"),
        ("step = 3", "has no steps"),
        ("[[step]]\nspeed = 1", "step 1: has no time"),
        ("[[step]]\nspeed = 1\nat = 'soon'", "step 1: at is 'soon'; write seconds"),
        ("[[step]]\nspeed = 1\nat = -3", "step 1: at is -3"),
        ("[[step]]\nspeed = 1\nat = true", "step 1: at is True"),
        ("[[step]]\nspeed = 1\nat = nan", "step 1: at is nan"),
        ("[[step]]\nspeed = 1\nat = '1:2:3:4'", "step 1: at is"),
        ("[[step]]\nspeed = 1\nat = '1:99'", "at is '1:99'; write less than 60 after a colon"),
        ("[[step]]\nspeed = 1\nat = '1:60:00'", "write less than 60 after a colon"),
        ("[[step]]\nspeed = 1\nat = '1:nan'", "write seconds"),
        ("[[step]]\nat = 5\nover = 9", "step 1: turns nothing; write a control in it"),
        ("[[step]]\nat = 5\nspeed = 1\nloop = false", "loop is the tour's; write it above the"),
        ("[[step]]\nat = 5\nlength = 9", "step 1: length is the tour's"),
        ("[[step]]\nat = 5\nspede = 1", "step 1: unknown 'spede'; did you mean 'speed'"),
        ("[[step]]\nat = 5\nweight = 1", 'weight wants its slot; write "weight.1"'),
        ("[[step]]\nat = 5\nspeed = 'fast'", "speed is 'fast'; give it a number"),
        ("[[step]]\nat = 5\nspeed = nan", "speed is nan; give it a number"),
        ("[[step]]\nat = 5\nspeed = [1]", "give it a number"),
        ("[[step]]\nat = 5\nspeed = 9", "step 1: speed is 9; give -2 to 2"),
        ("[[step]]\nat = 5\nlook = 65", "step 1: look is 65; give 0 to 64"),
        ("[[step]]\nat = 5\nmelt_curve = 'smoth'", "melt_curve: unknown 'smoth'; did you mean"),
        ("[[step]]\nat = 0\nspeed = 1", "less than a second"),
        ("length = 3\n[[step]]\nat = 5\nspeed = 1", "make that 5"),
        ("lenght = 3\n[[step]]\nat = 5\nspeed = 1", "did you mean 'length'"),
        ("loop = 1\n[[step]]\nat = 5\nspeed = 1", "loop is not true or false"),
        ("[[step]\nat", "is not TOML"),
        ("x = " + "[" * 5000, "is not TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, told: str, path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        tour(path, text)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_tour_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such tour"):
        read_tour(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tour(tmp_path)


def test_the_readme_s_tour_is_one(path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    one = tour(path, readme.split("```toml\n")[1].split("```")[0])
    looks = {step.values["look"] for step in one.steps if "look" in step.values}
    assert all((ROOT / f"engines/pocket/looks/{look}.jpg").exists() for look in looks)
    assert one.length_s == 300.0 and [step.at_s for step in one.steps] == [0.0, 90.0, 240.0]
