"""What of TensorRT's interface the backend uses, with onnxruntime in the place of a GPU.

A plan is an ONNX model, weights and all. It shows that our own calls fit together and that memory,
sidecars and weights go where they should; of TensorRT itself it shows nothing.
"""

import ctypes
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime

KINDS = {1: np.float32, 2: np.uint8, 6: np.int32}


class Logger:
    ERROR = 1

    def __init__(self, severity: int) -> None: ...


class NetworkDefinitionCreationFlag:
    STRONGLY_TYPED = 1


class TensorIOMode:
    INPUT, OUTPUT = 1, 2


class MemoryPoolType:
    WORKSPACE = 1


class BuilderFlag:
    REFIT = 1


class SerializationFlag:
    EXCLUDE_WEIGHTS, INCLUDE_REFIT = 1, 2


class Cache:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def serialize(self) -> bytes:
        return self.data or b"times"


class Config:
    builder_optimization_level = 0

    def __init__(self) -> None:
        self.flags: set[int] = set()

    def set_memory_pool_limit(self, pool: int, size: int) -> None:
        assert size > 0

    def set_flag(self, flag: int) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: int) -> None:
        self.flags.discard(flag)

    def create_timing_cache(self, data: bytes) -> Cache:
        return Cache(data)

    def set_timing_cache(self, cache: Cache, ignore_mismatch: bool) -> bool:
        return not ignore_mismatch and cache.data in (b"", b"times")


class Network:
    model: Any = None
    typed = False


class OnnxParser:
    num_errors = 1

    def __init__(self, network: Network, logger: Logger) -> None:
        self.network = network

    def parse_from_file(self, path: str) -> bool:
        self.network.model = onnx.load(path)
        kinds = {node.op_type for node in self.network.model.graph.node}
        assert "If" not in kinds, "may not be captured"
        return "Unheard" not in kinds

    def get_error(self, index: int) -> Any:
        return type("Error", (), {"desc": lambda self: "no Unheard is known"})()


class Builder:
    built = 0
    room = True  # on the card

    def __init__(self, logger: Logger) -> None: ...

    def create_network(self, flags: int) -> Network:
        network = Network()
        network.typed = bool(flags & 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        return network

    def create_builder_config(self) -> Config:
        return Config()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        rounded = any(node.op_type == "QuantizeLinear" for node in network.model.graph.node)
        assert network.typed and (BuilderFlag.REFIT in config.flags) is not rounded
        Builder.built += 1
        return bytes(network.model.SerializeToString()) if Builder.room else None


class Context:
    def __init__(self, plan: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(plan, options)
        self.addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        names = [port.name for port in self.session.get_outputs()]
        inputs = {port.name: self._memory(port) for port in self.session.get_inputs()}
        for name, made in zip(names, self.session.run(names, inputs), strict=True):
            made = np.ascontiguousarray(made)
            ctypes.memmove(self.addresses[name], made.ctypes.data, made.nbytes)
        return True

    def _memory(self, port: Any) -> Any:
        kind = np.dtype({"tensor(float)": "float32", "tensor(uint8)": "uint8"}[port.type])
        size = int(np.prod(port.shape)) * kind.itemsize
        data = ctypes.string_at(self.addresses[port.name], size)
        return np.frombuffer(data, kind).reshape(port.shape)


class Engine:
    refittable = True

    def __init__(self, plan: bytes) -> None:
        self.model = onnx.load_from_string(plan)
        graph = self.model.graph
        self.ports = [(port, TensorIOMode.INPUT) for port in graph.input]
        self.ports += [(port, TensorIOMode.OUTPUT) for port in graph.output]
        self.num_io_tensors = len(self.ports)

    def get_tensor_name(self, index: int) -> str:
        return str(self.ports[index][0].name)

    def _find(self, name: str) -> tuple[Any, int]:
        return next(found for found in self.ports if found[0].name == name)

    def get_tensor_mode(self, name: str) -> int:
        return self._find(name)[1]

    def get_tensor_dtype(self, name: str) -> int:
        return int(self._find(name)[0].type.tensor_type.elem_type)

    def get_tensor_shape(self, name: str) -> list[int]:
        session = Context(self.model.SerializeToString()).session  # it works out what is not said
        ports = [*session.get_inputs(), *session.get_outputs()]
        return next(list(port.shape) for port in ports if port.name == name)

    def create_execution_context(self) -> Context:
        return Context(self.model.SerializeToString())

    def create_serialization_config(self) -> Config:
        return Config()

    def serialize_with_config(self, config: Config) -> bytes:
        assert config.flags == {SerializationFlag.INCLUDE_REFIT}
        return bytes(self.model.SerializeToString())


class Runtime:
    def __init__(self, logger: Logger) -> None: ...

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        return Engine(plan) if plan[:1] == b"\x08" else None


class Refitter:
    def __init__(self, engine: Engine, logger: Logger) -> None:
        self.engine = engine

    def refit_cuda_engine(self) -> bool:
        return True


class OnnxParserRefitter:
    def __init__(self, refitter: Refitter, logger: Logger) -> None:
        self.engine = refitter.engine

    def refit_from_file(self, path: str) -> bool:
        given = {one.name: one for one in onnx.load(path).graph.initializer}
        for tensor in self.engine.model.graph.initializer:
            tensor.CopyFrom(given[tensor.name])
        return Path(path).is_file()


def nptype(kind: int) -> Any:
    return KINDS[kind]


def as_module(version: str = "10.14.1") -> ModuleType:
    """A module named tensorrt, to be laid into sys.modules."""
    module = ModuleType("tensorrt")
    vars(module).update({name: value for name, value in globals().items() if name[0] != "_"})
    vars(module)["__version__"] = version
    return module
