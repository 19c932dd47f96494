"""What a show leaves behind on its user's machine goes to a folder of the tests."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    former = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    if former is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = former


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that send signals to this very process go first: a show keeps signals from the threads
    of foreign libraries (show/signals.py), a process of many tests does not."""
    first = ("test_cli.py", "test_runner.py", "test_signals.py")
    items.sort(key=lambda i: first.index(i.path.name) if i.path.name in first else len(first))
