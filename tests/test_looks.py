"""The bank of looks: found by name, by slot, or with a helping word."""

from pathlib import Path

import numpy as np
import pytest

from trainjourney.errors import ConfigError
from trainjourney.inference.bundle import Look
from trainjourney.journey.looks import Looks


def look(name: str) -> Look:
    return Look(name, np.full(4, 0.5, np.float32), Path(f"looks/{name}.jpg"))


BANK = Looks([look("neon_night"), look("gouache-spring"), look("7")], look("Park"))


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("neon_night", "neon_night"),
        ("Neon Night", "neon_night"),
        ("gouache spring", "gouache-spring"),
        (1, "neon_night"),
        (2.0, "gouache-spring"),
        ("2", "gouache-spring"),
        ("7", "7"),
        (0, "Park"),
        ("park", "Park"),
    ],
)
def test_a_look_is_found_by_name_and_by_slot(wanted: str | float, name: str) -> None:
    assert BANK.find(wanted).name == name


def test_a_near_miss_is_told_the_name() -> None:
    with pytest.raises(ConfigError, match=r"look 'neon nihgt' .*did you mean 'neon_night'"):
        BANK.find("neon nihgt")


@pytest.mark.parametrize("wanted", [9, -1, 1.5, "zzz", "", float("nan"), float("inf")])
def test_what_is_not_there_is_told_what_is(wanted: str | float) -> None:
    said = wanted if isinstance(wanted, str) else f"{wanted:g}"
    with pytest.raises(ConfigError, match=f"look '{said}' .* 1 neon_night, 2 gouache-spring"):
        BANK.find(wanted)


def test_the_first_look_is_the_start_picture_s_own_or_slot_1() -> None:
    assert BANK.first.name == "Park"
    assert Looks([look("a"), look("b")]).first.name == "a"


def test_a_start_picture_named_like_a_look_does_not_hide_it() -> None:
    bank = Looks([look("dusk")], look("dusk"))
    assert bank.find("dusk") is bank.find(1)
    assert bank.find(0) is not bank.find(1)
