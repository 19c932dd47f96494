"""onnxruntime on the processor: one session a graph, bound to the caller's own memory."""

from pathlib import Path
from typing import Any

from trainjourney.errors import BackendError, BundleError
from trainjourney.inference.bundle import Bundle, cure
from trainjourney.inference.graph import Arrays, Overtaken, Port, Ports, check_ports, never

try:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as native
except ImportError as err:
    raise BackendError(
        f"onnxruntime cannot be loaded ({err}); type: pip install --force-reinstall onnxruntime"
    ) from err

DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(int32)": "int32"}
CPU = "CPUExecutionProvider"
# onnxruntime's errors have no common parent of their own.
FAILURES = (RuntimeError, ValueError) + tuple(
    kind for kind in vars(native).values() if isinstance(kind, type) and issubclass(kind, Exception)
)


class OnnxRuntime:
    """Opens graphs on so many threads (0: onnxruntime chooses), in the precision they have; a
    processor has f32 alone, whatever the graph says."""

    def __init__(self, precision: str, threads: int, provider: str = CPU) -> None:
        if provider not in ort.get_available_providers():
            raise BackendError(
                f"this onnxruntime has no {provider}; type: pip install --force-reinstall "
                "onnxruntime-gpu, or give --set engine.backend=torch"
            )
        self._provider, self.precision = provider, "f32"
        if precision == "bf16":
            raise BackendError(
                "bf16: onnxruntime runs in f32 on a processor; "
                "give --set engine.precision=f32 or --set engine.backend=openvino"
            )
        self._options = ort.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.log_severity_level = 4  # what goes wrong is raised

    def session(self, path: Path) -> Any:
        """Any ONNX file as a session; raises one of FAILURES."""
        return ort.InferenceSession(path, self._options, providers=[self._provider])

    def open(self, bundle: Bundle, name: str) -> "OnnxRuntimeGraph":
        """One graph of a bundle. Raises BundleError."""
        path, _ = bundle.graph(name)
        if self._provider != CPU:
            self.precision = bundle.manifest.own_precision
        try:
            session = self.session(path)
        except FAILURES as err:
            raise BundleError(
                f"{bundle.folder}/{name}: onnxruntime cannot read it ({_short(err)}); "
                f"{cure(bundle.folder)}"
            ) from err
        graph = OnnxRuntimeGraph(session)
        check_ports(bundle.manifest, bundle.folder, name, graph.inputs, graph.outputs)
        return graph


class OnnxRuntimeGraph:
    """One session with its binding."""

    def __init__(self, session: Any) -> None:
        self._session, self._binding = session, session.io_binding()
        self.inputs: Ports = {port.name: _port(port) for port in session.get_inputs()}
        self.outputs: Ports = {port.name: _port(port) for port in session.get_outputs()}

    def run(self, inputs: Arrays, outputs: Arrays, overtaken: Overtaken = never) -> None:
        """Read and write the given arrays in place, to the end. Raises BackendError."""
        for name, array in inputs.items():
            place = ("cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
            self._binding.bind_input(name, *place)
        for name, array in outputs.items():
            place = ("cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
            self._binding.bind_output(name, *place)
        try:
            self._session.run_with_iobinding(self._binding)
        except FAILURES as err:
            raise BackendError(
                f"onnxruntime failed ({_short(err)}); try --set engine.backend=openvino"
            ) from err


def _port(port: Any) -> Port:
    """A dimension that is not static is -1 and fits no manifest."""
    shape = tuple(size if isinstance(size, int) else -1 for size in port.shape)
    return Port(DTYPES.get(port.type, port.type), shape)


def _short(err: BaseException) -> str:
    return " ".join(str(err).split())[:200]
