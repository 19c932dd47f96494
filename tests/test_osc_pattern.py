"""OSC patterns: what they mean, and that none is slow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainjourney.controls.osc_pattern import build_tree, find_matches, is_pattern, matches


@pytest.mark.parametrize(
    ("pattern", "name", "meant"),
    [
        ("speed", "speed", True),
        ("speed", "spee", False),
        ("spee", "speed", False),
        ("s*d", "speed", True),
        ("*", "", True),
        ("*e*", "speed", True),
        ("*x*", "speed", False),
        ("?????", "speed", True),
        ("????", "speed", False),
        ("[a-s]peed", "speed", True),
        ("[!a-s]peed", "speed", False),
        ("[!x]peed", "speed", True),
        ("[s-]peed", "speed", True),
        ("sp{a,ee,e}d", "speed", True),
        ("{speed,brake}", "brake", True),
        ("{,s}peed", "speed", True),
        ("{speed", "speed", False),
        ("[speed", "s", False),
        ("[]", "s", False),
    ],
)
def test_patterns_mean_what_osc_says(pattern: str, name: str, meant: bool) -> None:
    assert matches(pattern, name) is meant


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=10))
def test_stars_and_questions_are_as_in_a_slow_matcher(pattern: str, name: str) -> None:
    slow = re.sub(r"\*+", "*", pattern).replace("*", ".*").replace("?", ".")
    assert matches(pattern, name) == bool(re.fullmatch(slow, name))


def test_a_pattern_finds_its_addresses_and_never_crosses_a_slash() -> None:
    tree = build_tree(
        ["/train/speed", "/train/look", "/train/look/1/weight", "/train/look/2/weight"]
    )
    assert find_matches("/train/*", tree) == ["/train/speed", "/train/look"]
    assert find_matches("/train/look/[1-2]/weight", tree) == [
        "/train/look/1/weight", "/train/look/2/weight",
    ]  # fmt: skip
    assert find_matches("/*/*/{1,7}/*", tree) == ["/train/look/1/weight"]
    for nothing in ("/*", "//speed", "*", "/train/speed/", "/train/" + "*" * 200):
        assert find_matches(nothing, tree) == []
    assert is_pattern("/train/*") and not is_pattern("/train/speed")
