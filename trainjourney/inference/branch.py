"""What is seldom wanted, in a branch of its own: an ONNX graph that leaves undone what is not.

A `Wanted` of ours is exported as a Where between what was made and nothing. Written as an If, with
all that serves one side alone in its branch, it costs only the frames that want it. TensorRT is
given the Where again: its plans are replayed as CUDA graphs, and not all control flow can be
captured in one (release notes of TensorRT-RTX 1.2).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from trainjourney.errors import BackendError

MARK = "/wanted"  # in the name of a node that a module `wanted` left; used again, it is wanted_1
THEN, ELSE = 1, 2  # inputs of a Where


def put_branches(model: Any) -> int:
    """Write every marked Where of a model as an If; gives how many there were."""
    graph = model.graph
    marked = [n.name for n in graph.node if n.op_type == "Where" and MARK in n.name]
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {port.name: port for port in [*inferred.value_info, *inferred.output]}
    for name in marked:
        _put(graph, name, types)
    return len(marked)


def _put(graph: Any, name: str, types: Any) -> None:
    nodes = list(graph.node)
    end = next(i for i, node in enumerate(nodes) if node.name == name)
    where, takers = nodes[end], _takers(graph)
    sides = {slot: _serving(nodes, takers, end, slot) for slot in (THEN, ELSE)}
    branches = {}
    for slot, side in sides.items():
        out = f"{where.output[0]}.{slot}"
        last = helper.make_node("Identity", [where.input[slot]], [out], name=out)
        port = onnx.ValueInfoProto()
        port.CopyFrom(types[where.output[0]])
        port.name = out
        body = [*(nodes[i] for i in side), last]
        branches[slot] = helper.make_graph(body, out, [], [port])
    branch = helper.make_node(
        "If", [where.input[0]], list(where.output), name=where.name,
        then_branch=branches[THEN], else_branch=branches[ELSE],
    )  # fmt: skip
    moved = {i for side in sides.values() for i in side}
    kept = [branch if i == end else node for i, node in enumerate(nodes) if i not in moved]
    del graph.node[:]
    graph.node.extend(kept)


def _takers(graph: Any) -> dict[str, list[tuple[int, int]]]:
    """Who takes a value: node and input; the graph's own outputs go to a node behind the last."""
    takers: dict[str, list[tuple[int, int]]] = {}
    for i, node in enumerate(graph.node):
        for slot, name in enumerate(node.input):
            takers.setdefault(name, []).append((i, slot))
        for name in _captured(node):
            takers.setdefault(name, []).append((i, -1))
    for port in graph.output:
        takers.setdefault(port.name, []).append((len(graph.node), 0))
    return takers


def _captured(node: Any) -> Iterator[str]:
    """Values that the branches of a node take, its own among them."""
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from inner.input
            yield from _captured(inner)


def _serving(nodes: list[Any], takers: Any, end: int, slot: int) -> list[int]:
    """The nodes that nothing needs but this input of the node `end`, in order."""
    mine: set[int] = set()
    for i in reversed(range(end)):
        by = [taker for out in nodes[i].output for taker in takers.get(out, ())]
        if by and all(taker == (end, slot) or taker[0] in mine for taker in by):
            mine.add(i)
    return sorted(mine)


def take_branches(model: Any) -> int:
    """Undo `put_branches`: every marked If is a Where again; gives how many there were."""
    found = 0
    while more := _take(model.graph):  # one may have lain in the branch of another
        found += more
    return found


def _take(graph: Any) -> int:
    nodes, found = [], 0
    for node in graph.node:
        if node.op_type != "If" or MARK not in node.name:
            nodes.append(node)
            continue
        branches = {one.name: one.g for one in node.attribute}
        made = []
        for name in ("then_branch", "else_branch"):
            *body, last = branches[name].node
            nodes.extend(body)
            made.append(last.input[0])
        nodes.append(helper.make_node("Where", [node.input[0], *made], node.output, node.name))
        found += 1
    del graph.node[:]
    graph.node.extend(nodes)
    return found


@contextmanager
def beside(folder: Path, model: Any) -> Iterator[Path]:
    """A model as a file in a bundle's `folder`, where its weights are, for a while.

    Raises BackendError.
    """
    path = folder / f".whole-{os.getpid()}.onnx"
    try:
        try:
            path.write_bytes(model.SerializeToString())
        except OSError as err:
            raise BackendError(
                f"{folder}: cannot be written ({err.strerror}); free the disk, "
                "then trainjourney build"
            ) from err
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def without_branches(path: Path) -> Iterator[Path]:
    """A graph's file, or where it has branches one beside it that has none, gone afterwards."""
    model = onnx.load(str(path), load_external_data=False)
    if not take_branches(model):
        yield path
        return
    with beside(path.parent, model) as whole:
        yield whole
