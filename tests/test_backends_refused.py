"""Graphs that are none, do not fit, changed, or point out of their bundle: refused by each."""

from pathlib import Path
from typing import Any

import pytest
from test_backends import THERE, cache  # noqa: F401  graphs of tests have a cache of their own
from tiny_bundle import (
    HEIGHT,
    STATE,
    Drawing,
    tiny_looks,
    tiny_table,
    write_parts,
    write_tiny_bundle,
)

from trainjourney.errors import BundleError
from trainjourney.inference import Bundle, load_bundle, open_engine
from trainjourney.inference.write import write_bundle


def spoilt(tmp_path: Path, graph: str, data: bytes | None = None, **table: Any) -> Bundle:
    """A bundle whose sums are right and whose graph or manifest is not."""
    parts = tmp_path / "parts"
    write_parts(parts)
    if data is not None:
        (parts / graph).write_bytes(data)
    write_bundle(tmp_path / "tiny", {**tiny_table(), **table}, parts, *tiny_looks())
    return load_bundle(tmp_path / "tiny")


@pytest.mark.parametrize("backend", THERE)
def test_a_graph_that_is_none(tmp_path: Path, backend: str) -> None:
    bundle = spoilt(tmp_path, "decoder.onnx", b"nothing of the kind")
    with pytest.raises(BundleError, match=r"decoder\.onnx: \w+ cannot read it .*export"):
        open_engine(bundle, backend)


@pytest.mark.parametrize("backend", THERE)
@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"noise": {"shape": [8, 3]}}, r"predictor\.onnx: input noise is float32\[32, 3\], bund"),
        (
            {"frame": {"width": 128, "height": 32, "fps": 30}},
            r"encoder\.onnx: input frame is uint8\[32, 64, 3\], bundle.toml says uint8\[32, 128",
        ),
        (
            {"state": [{"name": "strip", "shape": [128, 32, 3], "dtype": "uint8"}]},
            r"encoder\.onnx: output position is float32\[1\], bundle.toml says there is none",
        ),
        ({"looks_ahead": True}, r"decoder\.onnx: input embedding is missing, bundle.toml says"),
    ],
)
def test_a_graph_that_does_not_fit_its_manifest(
    tmp_path: Path, backend: str, table: dict[str, Any], told: str
) -> None:
    bundle = spoilt(tmp_path, "", None, **table)
    with pytest.raises(BundleError, match=told):
        open_engine(bundle, backend)


@pytest.mark.parametrize("backend", THERE)
def test_a_graph_whose_shape_is_not_static(tmp_path: Path, backend: str) -> None:
    d = Drawing()
    d.node("Slice", "strip", d.constant([0], "int64"), d.constant([32], "int64"), out="short")
    d.node("Transpose", "short", out="frame", perm=[1, 0, 2])
    shape: list[Any] = ["n", HEIGHT, 3]
    path = tmp_path / "decoder.onnx"
    d.save(path, {**STATE, "strip": ("uint8", shape)}, {"frame": ("uint8", [HEIGHT, 32, 3])})
    bundle = spoilt(tmp_path, "decoder.onnx", path.read_bytes())
    with pytest.raises(BundleError, match=r"decoder\.onnx: input strip is uint8\[-1, 32, 3\]"):
        open_engine(bundle, backend)


def test_a_graph_changed_after_loading(tmp_path: Path) -> None:
    bundle = load_bundle(write_tiny_bundle(tmp_path / "tiny"))
    with (tmp_path / "tiny" / "predictor.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BundleError, match=r"predictor\.onnx: is not the file"):
        open_engine(bundle, THERE[-1])


def varint(number: int, overlong: bool = False) -> bytes:
    head = bytes([number & 127 | 128, number >> 7]) if number > 127 else bytes([number])
    return bytes([head[0] | 128, 0]) if overlong and number < 128 else head


def field(tag: int, data: bytes, overlong: bool = False) -> bytes:
    """One length-delimited field of a protobuf message."""
    return bytes([tag << 3 | 2]) + varint(len(data), overlong) + data


@pytest.mark.parametrize("backend", THERE)
@pytest.mark.parametrize("hidden", [False, True], ids=["plain", "hidden"])
def test_a_graph_that_points_out_of_its_bundle(tmp_path: Path, backend: str, hidden: bool) -> None:
    """Refused by the bundle; and, where its bytes hide that from a search, by the backend."""
    (tmp_path / "secret.bin").write_bytes(bytes(HEIGHT * 3))
    d = Drawing()
    d.node("Add", "secret", d.node("Transpose", "frame", perm=[1, 0, 2]), out="strip")
    entry = field(1, b"location", hidden) + field(2, b"../secret.bin")
    # name "secret", dims [HEIGHT, 3], data_type UINT8, data_location EXTERNAL
    tensor = bytes([8, HEIGHT, 8, 3, 16, 2]) + field(8, b"secret") + field(13, entry)
    constant = field(5, tensor + bytes([0x70, 1]))
    d.node("Identity", d.constant([0.0]), out="position")
    inputs: Any = {"frame": ("uint8", [HEIGHT, 128, 3]), "secret": ("uint8", [HEIGHT, 3])}
    path = tmp_path / "encoder.onnx"
    d.save(path, inputs, STATE)
    bundle = spoilt(tmp_path, "encoder.onnx", path.read_bytes() + field(7, constant))
    with pytest.raises(BundleError, match=r"encoder\.onnx: .*secret") as caught:
        open_engine(bundle, backend)
    assert ("no file of the bundle" in str(caught.value)) != hidden
