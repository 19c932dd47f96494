"""The engine on every backend: the same world from all, no copies, no silent fallback."""

import importlib.util
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_bundle import (
    HEIGHT,
    PICTURE,
    WIDTH,
    write_tiny_bundle,
)

from trainjourney.errors import BackendError
from trainjourney.inference import Bundle, Engine, load_bundle, open_engine
from trainjourney.inference.engine import BACKENDS, choose_backend
from trainjourney.types import Frame, State

THERE = [name for name in BACKENDS if importlib.util.find_spec(name)]


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the program told; asyncio may tell here of a server that another test left behind."""
    return [record for record in caplog.records if record.name.startswith("trainjourney")]


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Compiled graphs of tests do not crowd out those of shows."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
            patch.setenv(name, str(folder))
        yield folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("engines") / "tiny"))


@pytest.fixture(scope="module", params=THERE)
def engine(request: pytest.FixtureRequest, bundle: Bundle) -> Engine:
    return open_engine(bundle, request.param, "f32")


def a_frame(seed: int = 0) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def noise(number: int) -> NDArray[np.float32]:
    return np.random.default_rng([7, number]).standard_normal((HEIGHT, 3), dtype=np.float32)


def ride(
    engine: Engine, bundle: Bundle, frames: int, look: str = "red", speed: float = 1.0
) -> list[Frame]:
    state = engine.encode(a_frame())
    embedding = bundle.look(look).embedding
    seen = [engine.decode(state, embedding, speed)]
    for number in range(frames):
        state = engine.predict(state, noise(number), embedding, speed, 0.5)
        seen.append(engine.decode(state, embedding, speed))
    return seen


def test_a_start_is_shown_as_it_is(engine: Engine, bundle: Bundle) -> None:
    assert (ride(engine, bundle, 0)[0] == a_frame()).all()


@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_the_world_travels_the_commanded_way(engine: Engine, bundle: Bundle, speed: float) -> None:
    last = ride(engine, bundle, 10, speed=speed)[-1]
    gone = 20  # px, at 2 a frame
    was, now = (slice(gone, None), slice(None, -gone))[:: 1 if speed > 0 else -1]
    assert (last[:, now] == a_frame()[:, was]).all()


def test_a_train_that_stands_shows_the_same(engine: Engine, bundle: Bundle) -> None:
    assert (ride(engine, bundle, 5, speed=0.0)[-1] == a_frame()).all()


@pytest.mark.parametrize(("look", "channel"), [("red", 0), ("blue", 2)])
def test_what_enters_has_the_look(engine: Engine, bundle: Bundle, look: str, channel: int) -> None:
    last = ride(engine, bundle, 60, look, speed=0.5)[-1]
    assert np.argmax(last[:, -8:].mean((0, 1))) == channel


def test_a_picture_is_embedded_on_the_sphere(engine: Engine, bundle: Bundle) -> None:
    for look, pixel in (("red", (255, 25, 25)), ("green", (25, 255, 25))):
        picture = np.broadcast_to(np.array(pixel, np.uint8), (*PICTURE, 3))
        embedding = engine.embed(picture)
        assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)
        assert float(embedding @ bundle.look(look).embedding) > 0.999


@pytest.mark.skipif(len(THERE) < 2, reason="parity wants two backends")
def test_parity(bundle: Bundle) -> None:
    """Where nothing but integers and one rounding decides, backends may differ by one level."""
    first, second = (ride(open_engine(bundle, name, "f32"), bundle, 80) for name in THERE)
    for one, other in zip(first, second, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def copied(state: State) -> State:
    return {name: array.copy() for name, array in state.items()}


def same(one: State, other: State) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_states_take_turns_in_the_engines_memory(engine: Engine, bundle: Bundle) -> None:
    look = bundle.looks[0].embedding
    start = engine.encode(a_frame())
    first = engine.predict(start, noise(0), look, 1.0, 0.5)
    kept = copied(first)
    second = engine.predict(first, noise(1), look, 1.0, 0.5)
    assert same(first, kept), "a state must outlive the next predict"
    assert not any(np.may_share_memory(first[name], second[name]) for name in first)
    third = engine.predict(second, noise(2), look, 1.0, 0.5)
    assert np.may_share_memory(first["strip"], third["strip"])  # no new memory every frame


def test_a_step_is_a_function_of_what_goes_in(engine: Engine, bundle: Bundle) -> None:
    look = bundle.looks[0].embedding
    start = engine.encode(a_frame())
    kept = copied(start)
    first = engine.predict(start, noise(0), look, 1.0, 0.5)
    again = copied(engine.predict(first, noise(1), look, 1.0, 0.5))
    assert same(start, kept)
    assert same(engine.predict(first, noise(1), look, 1.0, 0.5), again)  # the same step twice
    replayed = engine.predict(kept, noise(0), look, 1.0, 0.5)
    replayed = engine.predict(copied(replayed), noise(1), look, 1.0, 0.5)
    assert same(replayed, again)


def test_a_state_put_together_from_both_turns(engine: Engine, bundle: Bundle) -> None:
    look = bundle.looks[0].embedding
    first = engine.predict(engine.encode(a_frame()), noise(0), look, 1.0, 0.5)
    second = engine.predict(first, noise(1), look, 1.0, 0.5)
    mixed = {"strip": first["strip"], "position": second["position"]}
    wanted = copied(engine.predict(copied(mixed), noise(2), look, 1.0, 0.5))
    first = engine.predict(engine.encode(a_frame()), noise(0), look, 1.0, 0.5)
    second = engine.predict(first, noise(1), look, 1.0, 0.5)
    mixed = {"strip": first["strip"], "position": second["position"]}
    assert same(engine.predict(mixed, noise(2), look, 1.0, 0.5), wanted)


def test_decoding_beside_predicting_shows_the_same(engine: Engine, bundle: Bundle) -> None:
    wanted = ride(engine, bundle, 40)
    state, look, seen = engine.encode(a_frame()), bundle.looks[0].embedding, []
    for number in range(41):
        thread = threading.Thread(
            target=lambda shown=state: seen.append(engine.decode(shown, look, 1.0))
        )
        thread.start()
        following = engine.predict(state, noise(number), look, 1.0, 0.5)
        thread.join()
        state = following
    assert all((one == other).all() for one, other in zip(seen, wanted, strict=True))


def test_two_engines_side_by_side_dream_as_each_alone(engine: Engine, bundle: Bundle) -> None:
    """The bank's embeddings are read-only: a copy that went in must outlast the step."""
    other = open_engine(bundle, engine.backend, "f32")
    alone = ride(other, bundle, 300, "blue")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda one: ride(one, bundle, 300, "blue"), (engine, other)))
    for frames in both:
        assert all((one == wanted).all() for one, wanted in zip(frames, alone, strict=True))


def test_memory_of_any_kind_may_go_in(engine: Engine, bundle: Bundle) -> None:
    """Read-only, strided and unaligned arrays, as pictures and shared memory have them."""
    wanted = engine.encode(a_frame())
    wide = np.repeat(a_frame(), 2, axis=1)[:, ::2]
    loose = np.zeros(a_frame().size + 1, np.uint8)[1:].reshape(a_frame().shape)
    loose[:] = a_frame()
    loose.flags.writeable = False
    assert same(engine.encode(wide), wanted) and same(engine.encode(loose), wanted)


def test_a_wrong_shape_is_the_programmers_mistake(engine: Engine, bundle: Bundle) -> None:
    with pytest.raises(AssertionError, match="frame is uint8"):
        engine.encode(a_frame()[:, :-1])
    with pytest.raises(AssertionError, match="noise is float64"):
        state, look = engine.encode(a_frame()), bundle.looks[0].embedding
        engine.predict(state, noise(0).astype("f8"), look, 1.0, 0.5)


def test_auto_is_the_first_backend_that_is_there(bundle: Bundle) -> None:
    assert open_engine(bundle).backend == THERE[0]


def test_a_backend_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendError, match="no backend 'abacus'; give one of auto, openvino"):
        choose_backend("abacus")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendError, match="openvino is not installed here; type: pip install"):
        choose_backend("openvino")


def test_a_precision_that_is_not_there(bundle: Bundle) -> None:
    with pytest.raises(BackendError, match="no precision 'f8'; give auto, bf16, f16 or f32"):
        open_engine(bundle, precision="f8")
    if "onnxruntime" in THERE:
        with pytest.raises(BackendError, match="bf16: onnxruntime runs in f32"):
            open_engine(bundle, "onnxruntime", "bf16")
    if "openvino" in THERE:
        fast = open_engine(bundle, "openvino", "auto").precision == "bf16"
        if fast:
            assert open_engine(bundle, "openvino", "bf16").precision == "bf16"
        else:
            with pytest.raises(BackendError, match="bf16: this processor has neither"):
                open_engine(bundle, "openvino", "bf16")


@pytest.mark.skipif("openvino" not in THERE, reason="openvino's own telling")
def test_nobody_is_told_that_a_train_departs(tmp_path: Path) -> None:
    """openvino's converter would tell a service for statistics, and leave its mark in the home."""
    tiny = write_tiny_bundle(tmp_path / "tiny")
    told = tmp_path / "told"
    watch = tmp_path / "sitecustomize.py"
    watch.write_text(
        "import sys\n"
        "def hear(event, given):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):\n"
        f"        print(event, given, file=open({str(told)!r}, 'a'))\n"
        "sys.addaudithook(hear)\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("XDG_") and k != "CI"}
    environ |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-m", "trainjourney", "play", "--frames", "3", "--output", "null"]
    command += ["--engine", str(tiny), "--set", "engine.backend=openvino"]
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, timeout=60)
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.parent.parent == home}
    assert left == {".cache/trainjourney", ".local/state"}
    assert not told.exists()


@pytest.mark.skipif("openvino" not in THERE, reason="openvino's compiled graphs")
@pytest.mark.parametrize("harm", ["none", "flipped", "cut", "empty", "foreign", "unwritable"])
def test_a_cache_in_any_state_starts_the_same_show(
    bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    harm: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    if harm == "unwritable":
        (tmp_path / "trainjourney").write_text("a file where the folder should be")
    wanted = ride(open_engine(bundle, "openvino", "f32"), bundle, 3)
    for path in (tmp_path / "trainjourney").glob("compiled/*.blob"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        spoiled = {
            "flipped": bytes(data),
            "cut": bytes(data[:100]),
            "empty": b"",
            "foreign": b"x" * 9999,
        }
        if harm in spoiled:
            path.unlink()  # never change a file that an engine stands on
            path.write_bytes(spoiled[harm])
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        seen = ride(open_engine(bundle, "openvino", "f32"), bundle, 3)
    assert all((one == other).all() for one, other in zip(seen, wanted, strict=True))
    assert len(ours(caplog)) == (0 if harm in ("none", "empty") else 4)


@pytest.mark.skipif("openvino" not in THERE, reason="openvino's compiled graphs")
def test_a_compiled_graph_that_another_removes_meanwhile_is_no_news(
    bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    folder = tmp_path / "trainjourney" / "compiled"
    folder.mkdir(parents=True)
    (folder / "gone.blob").symlink_to(folder / "removed")  # listed, and not there
    with caplog.at_level(logging.WARNING):
        open_engine(bundle, "openvino", "f32")
    assert not ours(caplog)
    kept = [path for path in folder.glob("*.blob") if path.exists()]
    assert len(kept) == len(bundle.manifest.graphs)
