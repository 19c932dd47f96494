"""Memory of a device: what stays there, what is copied over, and what is told when it fails."""

from collections.abc import Callable
from pathlib import Path

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
