"""Plans: a bundle's graphs compiled for one GPU, and the sidecar that says for which.

A plan made for another card, driver generation or graph runs wrong or not at all, so nothing is
read off its name: the sidecar tells all that it depends on, which is compared word by word, and
when and how it was built, which is not.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainjourney.errors import BackendError
from trainjourney.files import replacing
from trainjourney.inference.bundle import Bundle

PLANS = "plans"  # beside the bundle's files; never in git
MOST_SIDECAR_BYTES = 1 << 16
# gpu, compute, tensorrt, cuda, driver, graph; precision, structure, options
Facts = Mapping[str, str]


def plan_path(bundle: Bundle, graph: str) -> Path:
    """Where the plan of a graph ("predictor.onnx") lies."""
    return bundle.folder / PLANS / f"{graph.removesuffix('.onnx')}.plan"


def write_plan(path: Path, plan: bytes, facts: Facts) -> None:
    """Write a plan and its sidecar, each whole or not at all. Raises BackendError."""
    side = path.with_suffix(".json")
    text = json.dumps({**facts, "bytes": str(len(plan))}, indent=2) + "\n"
    with suppress(OSError):  # what stands in the way is told below
        side.unlink(missing_ok=True)  # a new plan is of no use with an old sidecar
    write_whole(path, plan)
    write_whole(side, text.encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside a bundle, whole or not at all. Raises BackendError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_bytes(data)
    except OSError as err:
        raise BackendError(
            f"{path}: cannot be written ({err.strerror}); free the disk, then trainjourney build"
        ) from err


def read_plan(bundle: Bundle, graph: str, facts: Facts) -> bytes:
    """The plan of a graph, if it was made for just these facts. Raises BackendError."""
    path, cure = plan_path(bundle, graph), _cure(bundle)
    found = read_sidecar(bundle, graph)
    try:
        plan = path.read_bytes()
    except FileNotFoundError as err:
        raise BackendError(f"{path}: is not built yet; {cure}") from err
    except OSError as err:
        raise BackendError(f"{path}: cannot be read ({err.strerror}); {cure}") from err
    for name, wanted in {**facts, "bytes": str(len(plan))}.items():
        if found.get(name) != wanted:
            was = str(found.get(name, "not told"))[:60]
            raise BackendError(f"{path}: was built for {name} {was}, here it is {wanted}; {cure}")
    return plan


def read_sidecar(bundle: Bundle, graph: str) -> dict[str, Any]:
    """All that is told of the plan of a graph. Raises BackendError."""
    path, cure = plan_path(bundle, graph), _cure(bundle)
    try:
        found = json.loads(path.with_suffix(".json").read_bytes()[:MOST_SIDECAR_BYTES])
    except FileNotFoundError as err:
        raise BackendError(f"{path}: is not built yet; {cure}") from err
    except (OSError, ValueError) as err:
        raise BackendError(f"{path}: its sidecar cannot be read ({err}); {cure}") from err
    if not isinstance(found, dict):
        raise BackendError(f"{path}: its sidecar tells nothing; {cure}")
    return found


def _cure(bundle: Bundle) -> str:
    return f"type: trainjourney build --engine {bundle.folder}"
