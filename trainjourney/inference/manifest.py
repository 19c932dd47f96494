"""The manifest: bundle.toml read into a checked value; tables.to_toml writes it back."""

import math
import tomllib
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from trainjourney.errors import BundleError
from trainjourney.inference.band import Band
from trainjourney.tables import to_toml as to_toml

FORMAT = 1
GRAPHS = ("encoder.onnx", "predictor.onnx", "decoder.onnx", "embedder.onnx")
STEERING = "steering.onnx"  # not of every bundle
LOOKS = "looks.npz"
MANIFEST = "bundle.toml"
MOST_TENSOR_BYTES = 1 << 30  # of one tensor; the pocket's whole state is 5 MB
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
FILE = r"^(looks/)?[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$"  # never out of the bundle's folder
CONTROLS = ("noise", "embedding", "speed", "dream")  # the predictor's inputs besides the state

Dtype = Literal["uint8", "float32", "int32"]
ITEM_BYTES: dict[Dtype, int] = {"uint8": 1, "float32": 4, "int32": 4}
Side = Annotated[int, Field(ge=1, le=8192)]
Shape = Annotated[tuple[Annotated[int, Field(ge=1, le=1 << 24)], ...], Field(max_length=6)]


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if not (math.isfinite(pair[0]) and math.isfinite(pair[1]) and pair[0] < pair[1]):
        raise ValueError("a range is [low, high], low below high")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_rising)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FrameTable(_Table):
    width: Side
    height: Side
    fps: int = Field(ge=1, le=240)


class EmbeddingTable(_Table):
    size: Side
    picture_width: Side  # of the picture that the embedder takes
    picture_height: Side


class NoiseTable(_Table):
    shape: Shape  # standard normal, fresh every frame


class RangesTable(_Table):
    speed: Range = (-2.0, 2.0)  # x cruising, signed
    dream: Range = (0.0, 1.0)
    travel_px: float = Field(gt=0.0, le=1000.0)  # a frame at speed 1, trackside


class StateTable(_Table):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    shape: Shape
    dtype: Dtype

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


class Manifest(_Table):
    """What bundle.toml says: shapes, ranges, the sha256 of every file, how it was trained."""

    format: Literal[1]
    name: str = Field(pattern=NAME)
    licence: str = Field(min_length=1, max_length=200)
    frame: FrameTable
    embedding: EmbeddingTable
    noise: NoiseTable
    ranges: RangesTable
    departure: int = Field(default=0, ge=0, le=100_000)
    """Steps of standing and dreaming freely until nothing of the start is left; 0: cannot."""
    looks_ahead: bool = False
    """The decoder takes embedding and speed too, and shows the frame to come of a state."""
    steering: int = Field(default=0, ge=0, le=1 << 20)
    """Numbers that steering.onnx makes of an embedding, once as long as that stays the same; the
    predictor takes them in its place. 0: it takes the embedding itself."""
    band: Band | None = None
    state: tuple[StateTable, ...] = Field(min_length=1, max_length=64)
    files: dict[
        Annotated[str, Field(pattern=FILE)], Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    ] = Field(max_length=5000)
    training: dict[str, Any] = {}

    @property
    def graphs(self) -> tuple[str, ...]:
        """The graphs' files, in this order: GRAPHS, and STEERING where there is one."""
        return (*GRAPHS, STEERING) if self.steering else GRAPHS

    @property
    def full_facts(self) -> dict[str, Any]:
        """What a full model's training tells of its graphs; empty for any other."""
        facts = self.training.get("facts")
        full = self.training.get("model") == "full"
        return facts if full and isinstance(facts, dict) else {}

    @property
    def own_precision(self) -> str:
        """That the graphs were written in, f16 or f32."""
        return "f16" if self.full_facts.get("precision") == "f16" else "f32"

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return (self.frame.height, self.frame.width, 3)

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        return (self.embedding.picture_height, self.embedding.picture_width, 3)


def read_manifest(text: str, place: str, cure: str) -> Manifest:
    """The manifest in `text`. Raises BundleError naming its `place` and the `cure`."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        raise BundleError(f"{place}: is not TOML ({err}); {cure}") from err
    version = table.get("format")
    if version != FORMAT or isinstance(version, bool):
        raise BundleError(
            f"{place}: is of format {version!r:.40}, this program reads format {FORMAT}; "
            f"pip install --upgrade trainjourney, or {cure}"
        )
    try:
        manifest = Manifest.model_validate(table)
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        where = repr(".".join(str(part) for part in first["loc"]))[1:-1][:120]
        raise BundleError(f"{place}: {where}: {first['msg']}; {cure}") from err
    if flaw := _flaw(manifest):
        raise BundleError(f"{place}: {flaw}; {cure}")
    return manifest


def _flaw(manifest: Manifest) -> str:
    """What is wrong between the lines of a manifest; empty where nothing is."""
    names = [state.name for state in manifest.state]
    for name in names:
        if names.count(name) > 1:
            return f"state {name} is there twice"
        if name in CONTROLS or name in ("frame", "steering"):
            return f"state {name} has the name of an input"
    for state in manifest.state:
        if state.size_bytes > MOST_TENSOR_BYTES:
            return f"state {state.name} is larger than {MOST_TENSOR_BYTES >> 20} MB"
    if math.prod(manifest.noise.shape) * 4 > MOST_TENSOR_BYTES:
        return f"noise is larger than {MOST_TENSOR_BYTES >> 20} MB"
    for name in (*manifest.graphs, LOOKS):
        if name not in manifest.files:
            return f"files: {name} is not listed"
    if MANIFEST in manifest.files:
        return f"files: {MANIFEST} cannot hold its own sha256"
    return ""
