"""What is seldom wanted lies in a branch of its graph, and comes out of it whole for TensorRT."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from trainjourney.errors import BackendError
from trainjourney.inference.branch import beside, put_branches, take_branches, without_branches
from trainjourney.model.layers import Wanted, conv
from trainjourney.training.export import write_graph

SHIPPED = Path(__file__).parent.parent / "engines/pocket/predictor.onnx"


class Seldom(nn.Module):
    """Two layers, of which the second serves the one who asks, and the first a sum as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.wanted = conv(2, 3), conv(3, 4), Wanted()

    def forward(self, x: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """x [1, 2, 5, 6]; asked [1] int32."""
        seen = self.first(x).relu()
        return self.wanted(asked > 0, self.second(seen)), seen.sum()


class Twice(Seldom):
    """As much again behind it, asked by what the first gave."""

    def forward(self, x: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        made, _ = super().forward(x, asked)
        again = self.second(made[:, :3] + 1.0)
        return self.wanted(made.sum() > 0.0, again), made.mean()


class Within(Seldom):
    """What is made where it is wanted serves what is wanted more seldom still."""

    def forward(self, x: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        made, _ = super().forward(x, asked)
        again = self.second(made[:, :3] + 1.0)
        return self.wanted(asked > 0, again), x.mean()


def exported(module: nn.Module, path: Path) -> tuple[Any, dict[str, Tensor]]:
    torch.manual_seed(3)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.5, 1.0)
    given = {"x": torch.rand(1, 2, 5, 6), "asked": torch.ones(1, dtype=torch.int32)}
    write_graph(module.eval(), given, ["made", "sum"], path)
    return onnx.load(str(path)), given


def kinds(nodes: Any) -> list[str]:
    return [node.op_type for node in nodes]


def branches(graph: Any) -> dict[str, Any]:
    (branch,) = [node for node in graph.node if node.op_type == "If"]
    return {one.name: one.g for one in branch.attribute}


@pytest.mark.parametrize("kind", [Seldom, Twice, Within])
def test_a_graph_with_branches_gives_what_it_gave(kind: type[nn.Module], tmp_path: Path) -> None:
    module = kind()
    model, given = exported(module, tmp_path / "a.onnx")
    assert "If" not in kinds(model.graph.node)
    count = 1 if kind is Seldom else 2
    for change in (put_branches, take_branches, put_branches):
        assert change(model) == count
        assert ("If" in kinds(model.graph.node)) is (change is put_branches)
        onnx.checker.check_model(model, full_check=True)
        session = ort.InferenceSession(model.SerializeToString())
        for asked in (0, 1):
            given["asked"] = torch.full((1,), asked, dtype=torch.int32)
            with torch.no_grad():
                wanted = [one.numpy() for one in module(*given.values())]
            made = session.run(None, {name: x.numpy() for name, x in given.items()})
            for one, other in zip(wanted, made, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
            assert bool(np.any(wanted[0])) is bool(asked)


def test_only_what_serves_nothing_else_lies_in_the_branch(tmp_path: Path) -> None:
    model, _ = exported(Seldom(), tmp_path / "a.onnx")
    put_branches(model)
    inside = branches(model.graph)
    assert kinds(model.graph.node).count("Conv") == 1
    assert kinds(inside["then_branch"].node) == ["Conv", "Identity"]
    assert "Conv" not in kinds(inside["else_branch"].node)


def test_the_shipped_predictor_decodes_in_a_branch_weights_and_all() -> None:
    graph = onnx.load(str(SHIPPED), load_external_data=False).graph
    inside = branches(graph)["then_branch"].node
    weights = {name for node in inside if node.op_type == "Cast" for name in node.input}
    assert {"codec.end.1.weight.half", "codec.deep.0.1.weight.half"} <= weights
    assert kinds(inside).count("Conv") == 14
    outside = {name for node in graph.node for name in node.input}
    assert not any(name.startswith(("codec.end", "codec.deep")) for name in outside)


def test_tensorrt_is_given_a_graph_without_branches() -> None:
    before = sorted(SHIPPED.parent.iterdir())
    with without_branches(SHIPPED) as path:
        assert path.parent == SHIPPED.parent
        onnx.checker.check_model(str(path), full_check=True)
        graph = onnx.load(str(path), load_external_data=False).graph
        assert "If" not in kinds(graph.node)
        with without_branches(path) as same:  # it has none
            assert same == path
    assert sorted(SHIPPED.parent.iterdir()) == before


def test_where_nothing_can_be_written_the_way_out_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(BackendError, match=r"cannot be written .*; free the disk"),
        beside(tmp_path / "gone", onnx.ModelProto()),
    ):
        pass
