"""Presets: stored and recalled as controls, kept over a restart, whatever stands in the file."""

import tomllib
from pathlib import Path

import pytest

from trainjourney.controls.desk import Desk
from trainjourney.controls.presets import LEFT, Presets
from trainjourney.types import Change


def turn(desk: Desk, **values: float | str) -> None:
    for name, value in values.items():
        assert desk.turn(Change(name.replace("__", "."), value, 0.0), "test")


def test_a_preset_brings_back_what_was_stored_and_who_led(tmp_path: Path) -> None:
    desk, path = Desk(), tmp_path / "state" / "presets.toml"
    presets = Presets(desk, path)
    turn(desk, speed=0.5, look="dusk", weight__3=0.7, pad_x=0.1, dream=0.9, melt_curve="soft")
    turn(desk, weight__2=0.4)  # the weights lead
    turn(desk, store=7)
    stored = desk.values()
    turn(desk, speed=2, look=4, weight__3=0, weight__9=1, pad_x=1, blackout=1, record=1, seed=5)
    heard: list[str] = []
    desk.listen(lambda change, source: heard.append(change.parameter))
    turn(desk, preset=7)
    now = desk.values()
    assert {n: v for n, v in now.items() if n not in (*LEFT, "weight.9")} == {
        n: v for n, v in stored.items() if n not in LEFT
    }
    assert now["weight.9"] == 0.0 and now["blackout"] == 1.0 and now["record"] == 1.0
    leads = [name for name in heard if name.split(".")[0] in ("look", "weight", "pad_x", "pad_y")]
    assert leads[-1] == "weight.2" and heard.index("melt_s") < heard.index("look")
    presets.close()
    assert not heard.count("store")

    again = Desk()
    second = Presets(again, path)
    assert second.numbers() == [7]
    turn(again, preset=7)
    assert again.values()["look"] == "dusk" and again.values()["weight.2"] == 0.4
    second.close()


def test_where_nothing_was_turned_a_look_leads(tmp_path: Path) -> None:
    desk = Desk()
    presets = Presets(desk, tmp_path / "presets.toml")
    turn(desk, store=1)
    heard: list[str] = []
    desk.listen(lambda change, source: heard.append(change.parameter))
    turn(desk, preset=1)
    presets.close()
    assert [name for name in heard if name != "preset"][-1] == "look"
    assert {"tap", "departure", "still"}.isdisjoint(heard)


def test_what_is_not_there_is_told_and_zero_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()
    presets = Presets(desk, tmp_path / "presets.toml")
    before = desk.values()
    turn(desk, preset=0, store=0)
    assert not caplog.records
    turn(desk, preset=9)
    assert [r.message for r in caplog.records] == ["there is no preset 9; store one first"]
    assert desk.values() == before | {"preset": 9.0}
    presets.close()


@pytest.mark.parametrize(
    "text",
    ["nonsense", "x = 1", "preset = 3", "[preset.x]\nspeed = 1", "[preset]\n1 = 2", "\0\0", "["],
)
def test_a_broken_file_is_one_line_and_is_kept_beside_the_new_one(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "presets.toml"
    path.write_text(text)
    desk = Desk()
    presets = Presets(desk, path)
    [line] = [record.message for record in caplog.records]
    assert str(path) in line and "\n" not in line
    turn(desk, store=2)
    presets.close()
    assert tomllib.loads(path.read_text())["preset"].keys() == {"2"}
    assert text in [other.read_text() for other in tmp_path.iterdir()]


def test_values_that_cannot_be_meant_are_let_go(tmp_path: Path) -> None:
    path = tmp_path / "presets.toml"
    path.write_text(
        '[preset.1]\nspeed = 9\nspede = 1\nbrake = "x"\ntap = 1\nhold = nan\nlook = "a"\n'
    )
    desk = Desk()
    presets = Presets(desk, path)
    turn(desk, preset=1)
    presets.close()
    now = desk.values()
    assert (now["speed"], now["brake"], now["look"]) == (2.0, 0.0, "a") and desk.refused == 0


def test_a_disk_that_refuses_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    desk = Desk()
    presets = Presets(desk, tmp_path / "file" / "presets.toml")
    turn(desk, store=3)
    presets.close()
    assert "cannot be written (file exists)" in caplog.records[-1].message
    turn(desk, speed=2)
    assert presets.numbers() == [3]
