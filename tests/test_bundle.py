"""A bundle is written whole, read whole, and refused by name in every way it can be wrong."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib import format as npy
from small_disk import left_by_kill
from tiny_bundle import LOOKS, tiny_looks, tiny_table, write_parts, write_tiny_bundle

from trainjourney.errors import BundleError
from trainjourney.inference import find_bundle, load_bundle
from trainjourney.inference.arrays import read_arrays
from trainjourney.inference.manifest import read_manifest, to_toml
from trainjourney.inference.write import write_bundle


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("engines") / "tiny")


@pytest.fixture
def tiny(whole: Path, tmp_path: Path) -> Path:
    """A bundle of one's own to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "tiny"))


def retell(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the manifest, and list every file as it is now."""
    table = tomllib.loads((folder / "bundle.toml").read_text(encoding="utf-8"))
    for name in table["files"]:
        if (folder / name).is_file():
            table["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    change(table)
    (folder / "bundle.toml").write_text(to_toml(table), encoding="utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert message.startswith(str(folder)) and "\n" not in message
    assert "trainjourney export" in message  # what to type next
    return message


def test_what_is_written_is_read(tiny: Path) -> None:
    bundle = load_bundle(tiny)
    manifest = bundle.manifest
    assert (manifest.name, manifest.frame_shape) == ("tiny", (32, 64, 3))
    assert manifest.training == {"drawn": "by hand"}
    assert [state.name for state in manifest.state] == ["strip", "position"]
    assert [look.name for look in bundle.looks] == list(LOOKS)
    for look in bundle.looks:
        assert look.picture.is_file()
        assert np.linalg.norm(look.embedding) == pytest.approx(1.0, abs=1e-6)
        assert not look.embedding.flags.writeable
    assert bundle.look("green") == bundle.looks[1] or bundle.look("green").name == "green"
    with pytest.raises(BundleError, match="no look 'mauve'; give --look one of red, green, blue"):
        bundle.look("mauve")


def test_a_bundle_at_another_rate(tiny: Path) -> None:
    own = load_bundle(tiny)
    assert own.at_rate(0) is own and own.at_rate(own.manifest.frame.fps) is own
    other = own.at_rate(2 * own.manifest.frame.fps)
    assert other.manifest.frame.fps == 2 * own.manifest.frame.fps and other.pace == 0.5
    assert other.at_rate(own.manifest.frame.fps).pace == 1.0
    assert other.manifest.files == own.manifest.files and other.looks == own.looks


def test_a_missing_file(tiny: Path) -> None:
    (tiny / "decoder.onnx").unlink()
    assert f"{tiny}/decoder.onnx: is missing" in refusal(tiny)


@pytest.mark.parametrize("name", ["predictor.onnx", "looks.npz", "looks/red.jpg", "CARD.md"])
def test_a_flipped_bit(tiny: Path, name: str) -> None:
    data = bytearray((tiny / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tiny / name).write_bytes(data)
    assert f"{tiny}/{name}: is not the file that bundle.toml lists" in refusal(tiny)


def test_a_folder_or_a_pipe_in_place_of_a_file(tiny: Path) -> None:
    (tiny / "CARD.md").unlink()
    os.mkfifo(tiny / "CARD.md")
    assert "CARD.md: is missing" in refusal(tiny)


def test_a_file_of_absurd_size_is_not_read(tiny: Path) -> None:
    os.truncate(tiny / "encoder.onnx", 1 << 40)  # sparse: it takes no room
    assert "encoder.onnx: is 1048576 MB, 8192 at most" in refusal(tiny)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    assert "bundle.toml: is missing" in refusal(tmp_path)


@pytest.mark.parametrize("version", [0, 2, "1", True, None])
def test_another_format(tiny: Path, version: Any) -> None:
    retell(tiny, lambda table: table.update(format=version))
    message = refusal(tiny)
    assert "bundle.toml: is of format" in message and "this program reads format 1" in message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_manifest_cut_short(tiny: Path, share: float) -> None:
    data = (tiny / "bundle.toml").read_bytes()
    (tiny / "bundle.toml").write_bytes(data[: int(share * len(data)) + 3])
    refusal(tiny)


def test_a_manifest_that_is_not_text(tiny: Path) -> None:
    (tiny / "bundle.toml").write_bytes(b"format = 1\n\xff\xfe")
    assert "bundle.toml: is not text" in refusal(tiny)


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """A change that puts the last word where the others lead."""

    def change(table: Any) -> None:
        for part in path[:-2]:
            table = table[part]
        table[path[-2]] = path[-1]

    return change


STRANGE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown key": (put("colour", "red"), "colour"),
    "unknown key within": (put("frame", "widht", 3), "frame.widht"),
    "no width": (put("frame", "width", None), "frame.width"),
    "absurd width": (put("frame", "width", 1 << 20), "frame.width"),
    "width of text": (put("frame", "width", "wide"), "frame.width"),
    "name with slash": (put("name", "../x"), "name"),
    "rank 7": (put("state", 0, "shape", [1] * 7), "state.0.shape"),
    "shape of nothing": (put("state", 0, "shape", [0]), "state.0.shape"),
    "huge state": (put("state", 0, "shape", [1 << 20, 1 << 20]), "larger than 1024 MB"),
    "huge noise": (put("noise", "shape", [1 << 20, 1 << 20]), "larger than 1024 MB"),
    "unknown dtype": (put("state", 0, "dtype", "object"), "state.0.dtype"),
    "state twice": (put("state", 1, "name", "strip"), "strip is there twice"),
    "state named as input": (put("state", 1, "name", "noise"), "the name of an input"),
    "no state": (put("state", []), "state"),
    "falling range": (put("ranges", "speed", [2.0, -2.0]), "ranges.speed"),
    "infinite range": (put("ranges", "dream", [0.0, float("inf")]), "ranges.dream"),
    "nan travel": (put("ranges", "travel_px", float("nan")), "ranges.travel_px"),
    "file outside": (put("files", "../passwd", "0" * 64), "files"),
    "file at the root": (put("files", "/etc/passwd", "0" * 64), "files"),
    "file in a folder": (put("files", "looks/a/b.jpg", "0" * 64), "files"),
    "file with backslash": (put("files", "looks\\a.jpg", "0" * 64), "files"),
    "itself": (put("files", "bundle.toml", "0" * 64), "cannot hold its own"),
    "no sha": (put("files", "CARD.md", "beef"), "files"),
    "graph not listed": (lambda table: table["files"].pop("encoder.onnx"), "encoder.onnx"),
    "picture not listed": (lambda table: table["files"].pop("looks/red.jpg"), "looks/red.jpg"),
    "embedding of another size": (put("embedding", "size", 5), "float32[3, 5] wanted"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_a_strange_manifest(tiny: Path, case: str) -> None:
    change, told = STRANGE[case]
    retell(tiny, change)
    assert told in refusal(tiny)


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def npy_bytes(array: Any, **claims: Any) -> bytes:
    """An npy file; `claims` may lie about it."""
    file = io.BytesIO()
    if not claims:
        npy.write_array(file, np.asarray(array), allow_pickle=True)
        return file.getvalue()
    header = {"descr": "<f4", "fortran_order": False, "shape": (3, 4), **claims}
    npy.write_array_header_1_0(file, header)
    return file.getvalue() + np.asarray(array).tobytes()


NAMES, VECTORS = tiny_looks()
GOOD_NAMES, GOOD_VECTORS = npy_bytes(np.array(NAMES)), npy_bytes(VECTORS)
BANKS = {
    "no zip": b"nothing of the kind",
    "cut short": npz(names=GOOD_NAMES, embeddings=GOOD_VECTORS)[:-30],
    "no names": npz(embeddings=GOOD_VECTORS),
    "a pickle": npz(names=npy_bytes(np.array([{"a": 1}], object)), embeddings=GOOD_VECTORS),
    "a picture that is not listed": npz(
        names=npy_bytes(np.array(["red", "green", "../x"])), embeddings=GOOD_VECTORS
    ),
    "a name twice": npz(
        names=npy_bytes(np.array(["red", "green", "red"])), embeddings=GOOD_VECTORS
    ),
    "numbers for names": npz(names=npy_bytes(np.arange(3)), embeddings=GOOD_VECTORS),
    "too few": npz(names=GOOD_NAMES, embeddings=npy_bytes(VECTORS[:2])),
    "float64": npz(names=GOOD_NAMES, embeddings=npy_bytes(VECTORS.astype("f8"))),
    "not on the sphere": npz(names=GOOD_NAMES, embeddings=npy_bytes(2 * VECTORS)),
    "nan": npz(names=GOOD_NAMES, embeddings=npy_bytes(np.nan * VECTORS)),
    "a terabyte claimed": npz(
        names=GOOD_NAMES, embeddings=npy_bytes(VECTORS, shape=(1 << 20, 1 << 18))
    ),
    "a negative shape": npz(names=GOOD_NAMES, embeddings=npy_bytes(VECTORS, shape=(-3, -4))),
    "an empty type": npz(names=GOOD_NAMES, embeddings=npy_bytes(VECTORS, descr="|V0")),
    "a bomb": npz(names=GOOD_NAMES, embeddings=bytes(65 << 20)),
    "no npy": npz(names=b"", embeddings=b"\x93NUMPY"),
    "npy of the future": npz(names=b"\x93NUMPY\x09\x00" + bytes(40), embeddings=GOOD_VECTORS),
    "a header that is code": npz(
        names=b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').getpid()#".ljust(31) + b"\n",
        embeddings=GOOD_VECTORS,
    ),
}


@pytest.mark.parametrize("case", BANKS)
def test_a_strange_bank_of_looks(tiny: Path, case: str) -> None:
    (tiny / "looks.npz").write_bytes(BANKS[case])
    retell(tiny, lambda table: None)
    assert "look" in refusal(tiny)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_as_arrays(data: bytes) -> None:
    for archive in (npz(names=data), data):
        with pytest.raises(ValueError):
            read_arrays(archive, ["names"], 1 << 20)


def test_bundles_are_found(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(whole.parents[0])
    assert find_bundle(str(whole)).resolve() == whole
    assert find_bundle("tiny").resolve() == whole  # a path from here
    shutil.copytree(whole, tmp_path / "engines" / "small")
    monkeypatch.chdir(tmp_path)
    assert find_bundle("small") == Path("engines/small")
    for wrong in ("smal", "", "../small", "engines", "/", "engines/smal"):
        with pytest.raises(BundleError, match=r"no bundle '.*; there is --engine .*small"):
            find_bundle(wrong)


def test_a_bundle_is_replaced_only_by_a_whole_one(tiny: Path, tmp_path: Path) -> None:
    parts, before = tmp_path / "parts", (tiny / "bundle.toml").read_bytes()
    write_parts(parts)
    table = {**tiny_table(), "licence": "MIT"}
    with pytest.raises(BundleError, match=r"travel_px.*nothing was written"):
        write_bundle(tiny, {**table, "ranges": {"travel_px": -1.0}}, parts, *tiny_looks())
    assert (tiny / "bundle.toml").read_bytes() == before
    write_bundle(tiny, table, parts, *tiny_looks())
    assert load_bundle(tiny).manifest.licence == "MIT"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "tiny"]


def test_what_a_kill_left_goes_with_the_next_bundle(tiny: Path, tmp_path: Path) -> None:
    write_parts(tmp_path / "parts")
    killed, old, *others = left_by_kill(tiny, "part", "old")
    shutil.move(tiny, old / "tiny")  # killed between the two renamings: nothing else is left of it
    with pytest.raises(BundleError, match="nothing was written"):
        write_bundle(tiny, {"ranges": {}}, tmp_path / "parts", *tiny_looks())
    assert not killed.exists() and old.is_dir()
    write_bundle(tiny, tiny_table(), tmp_path / "parts", *tiny_looks())
    assert not old.exists() and all(one.is_dir() for one in others)


def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("years of work")
    with pytest.raises(BundleError, match="is no bundle; give another folder"):
        write_tiny_bundle(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter").read_text() == "years of work"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    parts = tmp_path / "parts"
    write_parts(parts)
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(tmp_path / "file" / "tiny", tiny_table(), parts, *tiny_looks())


plain = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.dates()
)
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
tables = st.recursive(
    st.dictionaries(keys, plain, max_size=4),
    lambda inner: st.dictionaries(
        keys, plain | inner | st.lists(inner, max_size=3) | st.lists(plain, max_size=3), max_size=4
    ),
    max_leaves=12,
)


@given(tables)
def test_toml_comes_back_as_it_was(table: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(table)) == table


@given(st.text(max_size=200) | tables.map(lambda table: to_toml({**table, "format": 1})))
def test_any_text_is_a_manifest_or_is_refused_by_name(text: str) -> None:
    with pytest.raises(BundleError, match=r"^here: .*do that$"):
        read_manifest(text, "here", "do that")


def test_a_small_machine_reads_a_bundle(tmp_path: Path) -> None:
    """With room for a show and no more; a file may be larger than all of it, if it is not there."""
    folder = write_tiny_bundle(tmp_path / "tiny")
    code = f"""
import resource
from trainjourney.inference import load_bundle
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
bundle = load_bundle(Path({str(folder)!r}))
print(len(bundle.looks), bundle.graph("predictor.onnx")[0].name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "" and done.stdout.split()[1] == "predictor.onnx"
