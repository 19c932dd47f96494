"""The tree of errors, as drawn in its module."""

import trainjourney.errors as errors
from trainjourney.errors import TrainjourneyError


def test_every_error_stands_in_the_tree_as_drawn() -> None:
    tree = errors.__doc__ or ""
    kinds = TrainjourneyError.__subclasses__()
    assert {kind.__name__ for kind in kinds} == {
        line.split()[1] for line in tree.splitlines() if line[:2] in ("├─", "└─")
    }


def test_every_error_ends_with_two_and_says_what_it_is() -> None:
    kinds: list[type[TrainjourneyError]] = TrainjourneyError.__subclasses__()
    kinds.append(TrainjourneyError)
    for kind in kinds:
        assert kind("what").exit_code == 2
        assert kind.__doc__
