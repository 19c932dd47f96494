"""Checkpoints: a training's networks, averages and optimizer in one safetensors file, written
atomically; and weights files, the averaged networks alone, for bundles and warm starts."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from trainjourney.errors import TrainingError

Modules = Mapping[str, nn.Module]
_HEADER = "trainjourney"


def save_checkpoint(
    path: Path,
    modules: Modules,
    ema: Modules,
    optimizer: torch.optim.Optimizer,
    notes: Mapping[str, Any],
) -> None:
    """Write everything that resuming needs; `notes` (step and the like) go to the header."""
    tensors = {
        **_named_tensors(modules, "model."),
        **_named_tensors(ema, "ema."),
        **_optimizer_tensors(optimizer, modules),
    }
    _write(path, tensors, notes)


def load_checkpoint(
    path: Path, modules: Modules, ema: Modules, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Read a checkpoint into its networks, averages and optimizer in place; gives the notes."""
    tensors, notes = _read(path)
    _fill(path, modules, tensors, "model.")
    _fill(path, ema, tensors, "ema.")
    _fill_optimizer(path, optimizer, modules, tensors)
    return notes


def save_weights(path: Path, modules: Modules, notes: Mapping[str, Any] | None = None) -> None:
    """Write networks as `<module>.<tensor>`, as a bundle's weights.safetensors holds them."""
    _write(path, _named_tensors(modules, ""), notes or {})


def load_weights(path: Path, modules: Modules, optional: Collection[str] = ()) -> list[str]:
    """Warm start: read a weights file into the given networks in place; names those it had.

    A module named in `optional` may be absent from the file; a module that is there must fit
    whole, and what else the file holds is left alone. Raises TrainingError.
    """
    tensors, _ = _read(path)
    found = [name for name in modules if any(key.startswith(f"{name}.") for key in tensors)]
    missing = [name for name in modules if name not in found and name not in optional]
    if missing:
        raise TrainingError(f"{path}: holds no weights of '{missing[0]}'; choose another file")
    wanted = {name: modules[name] for name in found}
    _fill(path, wanted, tensors, "")
    return found


def load_fitting(path: Path, modules: Modules) -> dict[str, float]:
    """Fill modules with the tensors of a file that have their names and shapes; leave the rest.

    For networks of another size. Gives the share of every module's numbers that was filled.
    Raises TrainingError where the file cannot be read.
    """
    tensors, _ = _read(path)
    shares = {}
    for name, module in modules.items():
        wanted = module.state_dict()
        found = {key: tensors.get(f"{name}.{key}") for key in wanted}
        fits = {k: t for k, t in found.items() if t is not None and t.shape == wanted[k].shape}
        for key, tensor in fits.items():
            wanted[key].copy_(tensor)
        whole = sum(value.numel() for value in wanted.values())
        shares[name] = sum(tensor.numel() for tensor in fits.values()) / whole
    return shares


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place, whole and on disk, or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the disk says no with into a TrainingError that names `path`."""
    try:
        yield
    except OSError as err:
        raise TrainingError(
            f"{path}: cannot be written ({err}); see to space and rights, then type the same again"
        ) from err


def _write(path: Path, tensors: dict[str, Tensor], notes: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={_HEADER: json.dumps(dict(notes))})
        except SafetensorError as err:
            raise OSError(str(err)) from err


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with _translated(path), safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, _notes(path, file.metadata())


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as err:
        raise TrainingError(f"{path}: no such file; train first, or check the path") from err
    except (OSError, SafetensorError) as err:
        raise TrainingError(
            f"{path}: cannot be read ({err}); remove it and train again, or restore a copy"
        ) from err


def _notes(path: Path, header: Mapping[str, str] | None) -> dict[str, Any]:
    text = (header or {}).get(_HEADER, "{}")
    try:
        notes = json.loads(text)
    except json.JSONDecodeError as err:
        raise TrainingError(f"{path}: its header is damaged; restore a copy of it") from err
    assert isinstance(notes, dict), type(notes)
    return notes


def _named_tensors(modules: Modules, prefix: str) -> dict[str, Tensor]:
    # A copy each: safetensors refuses tensors that share memory, as tied weights do.
    return {
        f"{prefix}{name}.{key}": _copy(value)
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def _copy(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True).contiguous()


def _fill(path: Path, modules: Modules, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Copy tensors into modules; every name and shape is checked before the first is written."""
    for name, module in modules.items():
        wanted = module.state_dict()
        start = f"{prefix}{name}."
        unknown = [k for k in tensors if k.startswith(start) and k[len(start) :] not in wanted]
        if unknown:
            raise TrainingError(
                f"{path}: holds '{unknown[0]}', which this model has not; "
                "train with the options it was made with, or in a new folder"
            )
        for key, value in wanted.items():
            _check(path, f"{start}{key}", tensors, value)
    for name, module in modules.items():
        with torch.no_grad():
            for key, value in module.state_dict().items():
                value.copy_(tensors[f"{prefix}{name}.{key}"])


def _check(path: Path, key: str, tensors: Mapping[str, Tensor], wanted: Tensor) -> Tensor:
    cure = "train with the options it was made with, or in a new folder"
    if key not in tensors:
        raise TrainingError(f"{path}: has no tensor '{key}'; {cure}")
    found = tensors[key]
    if found.shape != wanted.shape:
        raise TrainingError(
            f"{path}: tensor '{key}' has shape {list(found.shape)}, "
            f"the model wants {list(wanted.shape)}; {cure}"
        )
    return found


def parameter_names(modules: Modules) -> dict[int, str]:
    """The name of each parameter by its id; one shared by two places has its first name."""
    names: dict[int, str] = {}
    for name, module in modules.items():
        for key, parameter in module.named_parameters():
            names.setdefault(id(parameter), f"{name}.{key}")
    return names


def _optimizer_tensors(optimizer: torch.optim.Optimizer, modules: Modules) -> dict[str, Tensor]:
    names = parameter_names(modules)
    return {
        f"optimizer.{entry}.{names[id(parameter)]}": _copy(value)
        for parameter, state in optimizer.state.items()
        for entry, value in state.items()
    }


def _fill_optimizer(
    path: Path,
    optimizer: torch.optim.Optimizer,
    modules: Modules,
    tensors: Mapping[str, Tensor],
) -> None:
    """Put Adam's state back; a parameter that never had a gradient has none."""
    names = parameter_names(modules)
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        name = names[id(parameter)]
        if f"optimizer.step.{name}" not in tensors:
            continue
        state[index] = {
            "step": tensors[f"optimizer.step.{name}"],
            "exp_avg": _check(path, f"optimizer.exp_avg.{name}", tensors, parameter),
            "exp_avg_sq": _check(path, f"optimizer.exp_avg_sq.{name}", tensors, parameter),
        }
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
