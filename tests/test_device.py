"""Memory of a device: what stays there, what is copied over, and what is told when it fails."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainjourney.errors import BackendError
from trainjourney.inference.device import DeviceGraph, Tensors, Twin, opening
from trainjourney.inference.graph import Port

CPU = torch.device("cpu")
PORT = Port("float32", (3,))


def halver(stays: bool = True) -> DeviceGraph:
    """Gives half of its input."""

    def begin(given: Tensors, made: Tensors) -> Callable[[], None]:
        def launch() -> None:
            made["y"].copy_(given["x"] / 2)

        return launch

    return DeviceGraph({"x": PORT}, {"y": PORT}, stays, CPU, begin)


def test_a_state_is_read_from_its_twin_and_cannot_be_written_to() -> None:
    graph = halver()
    first, second = graph.outputs["y"].empty(), graph.outputs["y"].empty()
    graph.run({"x": np.array([2, 4, 8], np.float32)}, {"y": first})
    assert isinstance(first, Twin) and first.twin is not None
    assert first.tolist() == first.twin.tolist() == [1, 2, 4]
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 9.0
    first.twin.fill_(6.0)  # so it can be told which of the two is read
    graph.run({"x": first}, {"y": second})
    assert second.tolist() == [3, 3, 3]
    copied = np.array(first)
    copied[0] = 16.0
    graph.run({"x": copied}, {"y": second})
    assert second.tolist() == [8, 1, 2]


def test_a_copy_or_a_part_of_a_state_has_no_twin() -> None:
    graph = halver()
    made = graph.outputs["y"].empty()
    graph.run({"x": np.ones(3, np.float32)}, {"y": made})
    for other in (made.copy(), made[:2], made + 1.0):
        assert getattr(other, "twin", None) is None


def test_a_frame_is_the_callers_own() -> None:
    graph = halver(stays=False)
    first, second = graph.outputs["y"].empty(), graph.outputs["y"].empty()
    graph.run({"x": np.array([2, 4, 8], np.float32)}, {"y": first})
    graph.run({"x": np.zeros(3, np.float32)}, {"y": second})
    assert first.tolist() == [1, 2, 4]
    first[0] = 5.0
    plain = np.zeros(3, np.float32)
    graph.run({"x": first}, {"y": plain})
    assert plain.tolist() == [2.5, 1, 2]


def test_what_a_graph_has_given_already_is_not_copied_over_again() -> None:
    """It stands where the next run reads it, until another array or other numbers are asked for."""
    graph = doubler()
    one, two = (graph.outputs["next.x"].empty() for _ in range(2))
    graph.run({"x": np.array([1, 2, 3], np.float32)}, {"next.x": one})
    assert isinstance(one, Twin) and one.twin is not None
    one.twin.fill_(50.0)  # so it can be told what is read
    graph.run({"x": one}, {"next.x": two})
    assert two.tolist() == [4, 8, 12]  # where it was left, not its twin
    graph.run({"x": one}, {"next.x": two})  # once more from there: its twin is what is left of it
    assert two.tolist() == [100, 100, 100]
    graph.run({"x": two}, {"next.x": one})
    assert one.tolist() == [200, 200, 200]


def test_a_steering_that_was_filled_anew_is_read_anew() -> None:
    """One array, with other numbers: what makes it, and not who it is."""
    first, second = halver(), doubler("y", "z")
    made, seen = first.outputs["y"].empty(), second.outputs["z"].empty()
    for start, wanted in ((2.0, 2.0), (6.0, 6.0), (6.0, 6.0)):
        first.run({"x": np.full(3, start, np.float32)}, {"y": made})
        second.run({"y": made}, {"z": seen})
        assert seen.tolist() == [wanted] * 3
    assert isinstance(made, Twin) and made.twin is not None
    made.twin.fill_(9.0)
    second.run({"y": made}, {"z": seen})
    assert seen.tolist() == [6, 6, 6]  # the same as before by all that is told: not copied


def test_what_comes_from_the_host_lies_side_by_side_and_is_taken_every_time() -> None:
    number, few, two = Port("float32", ()), Port("uint8", (5,)), Port("int64", (2,))
    ports = {"a": few, "b": number, "x": PORT, "c": two}

    def begin(given: Tensors, made: Tensors) -> Callable[[], None]:
        def launch() -> None:
            made["y"].copy_(given["x"] * given["b"] + given["a"].sum() + given["c"].sum())

        return launch

    graph = DeviceGraph(ports, {"y": PORT}, False, CPU, begin, {"a", "b", "c"})
    given = graph._given
    parts = sorted((given[name].data_ptr(), name) for name in "abc")
    assert [name for _, name in parts] == ["a", "b", "c"] and parts[2][0] - parts[0][0] == 512
    made = graph.outputs["y"].empty()
    for k in range(3):
        asked: dict[str, np.ndarray[Any, Any]] = {
            "a": np.full(5, k, np.uint8),
            "b": np.array(10.0 * k, np.float32),
            "x": np.array([1, 2, 3], np.float32),
            "c": np.array([100 * k, 0]),
        }
        graph.run(asked, {"y": made})
        assert made.tolist() == [10 * k * x + 105 * k for x in (1, 2, 3)]


def doubler(given_name: str = "x", made_name: str = "next.x") -> DeviceGraph:
    """Gives twice its input."""

    def begin(given: Tensors, made: Tensors) -> Callable[[], None]:
        def launch() -> None:
            made[made_name].copy_(given[given_name] * 2)

        return launch

    return DeviceGraph({given_name: PORT}, {made_name: PORT}, True, CPU, begin)


def test_a_graph_that_is_led_runs_once_on_what_is_asked_for_next_and_anew_on_all_else() -> None:
    runs = []

    def begin(given: Tensors, made: Tensors) -> Callable[[], None]:
        def launch() -> None:
            runs.append(given["x"].tolist())
            made["z"].copy_(given["x"] + 1)

        return launch

    first = doubler()
    second = DeviceGraph({"x": PORT}, {"z": PORT}, False, CPU, begin)
    first.lead(second)
    one, two = (first.outputs["next.x"].empty() for _ in range(2))
    seen = second.outputs["z"].empty()
    first.run({"x": np.array([1, 2, 3], np.float32)}, {"next.x": one})
    assert runs == [[2, 4, 6]]
    second.run({"x": one}, {"z": seen})
    assert seen.tolist() == [3, 5, 7] and len(runs) == 1
    second.run({"x": one}, {"z": seen})  # once more: that was another's turn
    assert seen.tolist() == [3, 5, 7] and len(runs) == 2
    first.run({"x": one}, {"next.x": two})
    assert runs[2:] == [[4, 8, 12]]
    second.run({"x": one}, {"z": seen})  # not what it went ahead with
    assert seen.tolist() == [3, 5, 7] and runs[3:] == [[2, 4, 6]]
    second.run({"x": two}, {"z": seen})
    assert seen.tolist() == [5, 9, 13] and runs[4:] == [[4, 8, 12]]
    first.run({"x": two}, {"next.x": one})
    second.run({"x": one.copy()}, {"z": seen})  # equal, but not the same
    assert seen.tolist() == [9, 17, 25] and len(runs) == 7


def test_what_went_ahead_is_forgotten_when_the_graph_before_fails() -> None:
    first, second = halver(), halver(stays=False)
    second.inputs = {"y": PORT}
    first.lead(second)
    second._ahead = {"y": np.zeros(3, np.float32)}
    first._replay = _broken
    with pytest.raises(BackendError, match="failed"):
        first.run({"x": np.zeros(3, np.float32)}, {"y": first.outputs["y"].empty()})
    assert second._ahead is None


def _broken() -> None:
    raise RuntimeError("out of order")


def test_a_graph_that_is_busy_is_not_led() -> None:
    first, second = halver(), halver(stays=False)
    first.lead(second)
    with second._busy:
        made = first.outputs["y"].empty()
        first.run({"x": np.array([2, 4, 8], np.float32)}, {"y": made})
    assert made.tolist() == [1, 2, 4] and second._ahead is None


def test_what_a_device_says_is_one_line(tmp_path: Path) -> None:
    def begin(given: Tensors, made: Tensors) -> Callable[[], None]:
        def launch() -> None:
            raise RuntimeError("CUDA error: an illegal\nmemory access was encountered")

        return launch

    graph = DeviceGraph({"x": PORT}, {"y": PORT}, True, CPU, begin)
    with pytest.raises(BackendError, match=r"failed \(CUDA error: an illegal memory .*openvino"):
        graph.run({"x": np.zeros(3, np.float32)}, {"y": graph.outputs["y"].empty()})
    with (
        pytest.raises(BackendError, match=r"mine: this GPU has too little memory .* smaller --sh"),
        opening(tmp_path / "mine"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    with (
        pytest.raises(
            BackendError, match=r"mine: cannot be opened .* \(no kernel image\); give ano"
        ),
        opening(tmp_path / "mine"),
    ):
        raise RuntimeError("no\nkernel image")
