"""openvino on the processor: graphs compiled once and kept, run over the caller's own memory."""

import hashlib
import io
import logging
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from trainjourney.errors import BackendError, BundleError
from trainjourney.files import replacing
from trainjourney.folders import cache_folder
from trainjourney.inference.bundle import Bundle, cure
from trainjourney.inference.graph import (
    Arrays,
    GaveWay,
    Overtaken,
    Port,
    Ports,
    check_ports,
    never,
    wanted_ports,
)

try:
    from trainjourney.inference.quiet_openvino import ov
except ImportError as err:
    raise BackendError(
        f"openvino cannot be loaded ({err}); type: pip install --force-reinstall openvino"
    ) from err

log = logging.getLogger(__name__)

DTYPES = {"u8": "uint8", "f32": "float32", "i32": "int32"}
HEAD = 64  # bytes before the compiled graph in a file of the cache: its sha256, and room
ASKED_MS = 1  # between looks whether a run is overtaken
MOST_KEPT = 16  # compiled graphs in the cache; the one longest unused goes first


class OpenVino:
    """Opens graphs in one precision, on so many threads (0: openvino chooses)."""

    def __init__(self, precision: str, threads: int) -> None:
        self._core = ov.Core()
        fast = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not fast:
            raise BackendError(
                "bf16: this processor has neither avx512_bf16 nor amx; "
                "give --set engine.precision=f32"
            )
        self.precision = ("bf16" if fast else "f32") if precision == "auto" else precision
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_PRECISION_HINT": self.precision,
            "ENABLE_CPU_PINNING": False,  # the window and the encoder want cores too
        }
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads

    def open(self, bundle: Bundle, name: str) -> "OpenVinoGraph":
        """One graph of a bundle. Raises BackendError, BundleError."""
        path, digest = bundle.graph(name)
        kept = cache_folder() / "compiled" / f"{self._key(digest)}.blob"
        compiled, memory = self._restore(kept)
        if compiled is None:
            compiled = self._compile(bundle, path, name)
            _keep(kept, compiled)
        graph = OpenVinoGraph(compiled, memory, *wanted_ports(bundle.manifest, name))
        check_ports(bundle.manifest, bundle.folder, name, graph.inputs, graph.outputs)
        return graph

    def _compile(self, bundle: Bundle, path: Path, name: str) -> Any:
        try:
            model = self._core.read_model(path)
        except RuntimeError as err:
            raise BundleError(
                f"{bundle.folder}/{name}: openvino cannot read it ({_short(err)}); "
                f"{cure(bundle.folder)}"
            ) from err
        try:
            return self._core.compile_model(model, "CPU", self._options)
        except RuntimeError as err:
            raise BackendError(
                f"{bundle.folder}/{name}: openvino cannot run it ({_short(err)}); "
                "try --set engine.backend=onnxruntime"
            ) from err

    def _key(self, digest: str) -> str:
        """What a compiled graph depends on, in one word."""
        machine = (platform.machine(), self._core.get_property("CPU", "FULL_DEVICE_NAME"))
        flags = sorted(self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        parts = (digest, ov.__version__, sorted(self._options.items()), machine, flags)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]

    def _restore(self, kept: Path) -> tuple[Any, Any]:
        """The compiled graph from the cache and the memory it stands in; None, None if not whole.

        openvino itself would take a cache with a damaged weight and dream nonsense.
        """
        try:
            file = np.memmap(kept, np.uint8, "c")
            os.utime(kept)
        except (OSError, ValueError):  # not there; empty
            return None, None
        try:
            if hashlib.sha256(file[HEAD:].data).digest() != file[:32].tobytes():
                raise ValueError("damaged")
            blob = ov.Tensor(np.asarray(file[HEAD:]), shared_memory=True)
            return self._core.import_model(blob, "CPU", self._options), (blob, file)
        except (RuntimeError, ValueError, TypeError) as err:
            log.warning("%s is of no use (%s); compiling anew", kept, _short(err))
            return None, None


class OpenVinoGraph:
    """One compiled graph and its one request."""

    def __init__(self, compiled: Any, memory: Any, wanted_in: Ports, wanted_out: Ports) -> None:
        self.inputs, self._in_order = _named(compiled.inputs, wanted_in)
        self.outputs, self._out_order = _named(compiled.outputs, wanted_out)
        self._request = compiled.create_infer_request()
        self._memory = memory  # its weights stand there

    def run(self, inputs: Arrays, outputs: Arrays, overtaken: Overtaken = never) -> None:
        """Read and write the given arrays in place. Raises BackendError, GaveWay."""
        # openvino takes none that is read-only, and keeps no array alive: the copies must last
        given = {name: a if a.flags.writeable else a.copy() for name, a in inputs.items()}
        for name, i in self._in_order.items():
            self._request.set_input_tensor(i, ov.Tensor(given[name], shared_memory=True))
        for name, i in self._out_order.items():
            self._request.set_output_tensor(i, ov.Tensor(outputs[name], shared_memory=True))
        try:
            self._request.start_async()
            while not self._request.wait_for(ASKED_MS):
                if overtaken():
                    self._stop()
                    raise GaveWay
        except RuntimeError as err:
            raise BackendError(
                f"openvino failed ({_short(err)}); try --set engine.backend=onnxruntime"
            ) from err

    def _stop(self) -> None:
        """End the run at the next layer, in a third of a millisecond; its arrays are free then."""
        self._request.cancel()
        with suppress(RuntimeError):  # that it was
            self._request.wait()


def _named(found: list[Any], wanted: Ports) -> tuple[Ports, dict[str, int]]:
    """The ports by name, and the place of each.

    openvino knows a tensor by every name it had on its way, and two outputs of one value by the
    names of both; which of them goes by which is then the same.
    """
    ports: dict[str, Port] = {}
    order: dict[str, int] = {}
    for i, port in enumerate(found):
        names = sorted(port.names) or [f"number {i}"]
        free = [name for name in names if name in wanted and name not in ports]
        name = (free or names)[0]
        ports[name], order[name] = _port(port), i
    return ports, order


def _port(port: Any) -> Port:
    """A dimension that is not static is -1 and fits no manifest."""
    sizes = [size.get_length() if size.is_static else -1 for size in port.partial_shape]
    return Port(DTYPES.get(port.element_type.get_type_name(), "other"), tuple(sizes))


def _short(err: BaseException) -> str:
    """The line of an error that says most: openvino begins with its own files and lines."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (told or lines or [type(err).__name__])[-1][:200]


def _keep(kept: Path, compiled: Any) -> None:
    """Put a compiled graph into the cache. A cache that cannot be written is done without."""
    blob = io.BytesIO()
    try:
        compiled.export_model(blob)
        data = blob.getvalue()
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as part:
            part.write_bytes(hashlib.sha256(data).digest().ljust(HEAD, b"\0") + data)
        blobs = sorted(kept.parent.glob("*.blob"), key=_kept_since)
        for path in blobs[:-MOST_KEPT]:
            path.unlink(missing_ok=True)
    except (OSError, RuntimeError) as err:
        log.warning("%s cannot be kept (%s); the next start will compile again", kept, _short(err))


def _kept_since(path: Path) -> float:
    """Seconds since the epoch; graphs are opened side by side, so another may have removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
