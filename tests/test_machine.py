"""What this machine is, in words that others read."""

from pathlib import Path

import numpy as np
import pytest

from trainjourney import machine


def test_a_package_has_a_version_where_it_is() -> None:
    assert machine.version_of("numpy") == np.__version__
    assert machine.version_of("no-such-package") == ""


def test_a_processor_is_named_also_where_the_system_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert machine.processor_name()
    if Path("/proc/cpuinfo").exists():
        assert machine.processor_features()

    def refused(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refused)
    assert machine.processor_name() and not machine.processor_features()
