"""What this machine has for a journey, and a cure beside each lack.

What it does not know: how fast a bundle runs here (that is `trainjourney bench`), and whether a
screen that is there also shows a picture.
"""

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import trainjourney
from trainjourney.errors import BundleError
from trainjourney.machine import processor_features, processor_name, version_of
from trainjourney.settings import Config
from trainjourney.show.devices import find_devices
from trainjourney.side_by_side import core_count

FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "neon", "bf16")
FAST = ("avx512_bf16", "amx_bf16", "bf16")
VIRTUAL = "or a virtual display: xvfb-run trainjourney play"


@dataclass(frozen=True)
class Finding:
    """One thing that is there or lacking."""

    name: str
    good: bool
    fact: str
    cure: str = ""  # what to do about a lack


def examine(config: Config) -> list[Finding]:
    """All there is to say about this machine and the bundle of these settings."""
    devices = find_devices()
    return [
        find_processor(processor_name(), processor_features()),
        find_cores(core_count()),
        find_memory(memory_bytes()),
        find_gpu(),
        find_backend(),
        *find_bundles(config.engine.name),
        find_display(devices.get("display", "")),
        find_encoder(),
        find_midi(devices.get("midi", ""), devices.get("no midi", "")),
        *find_ports(config.web.port, config.osc.port),
    ]


def playable(findings: list[Finding]) -> bool:
    """True if a bundle can be run and its frames can go to a screen or into a film."""
    good = {found.name for found in findings if found.good}
    return {"backend", "engine"} <= good and bool({"display", "film"} & good)


def find_processor(model: str, features: frozenset[str]) -> Finding:
    known = [name for name in FEATURES if name in features]
    fact = f"{model}, {' '.join(known) or 'no vector units known'}"
    fast = any(name in features for name in FAST)
    cure = "" if fast else "no bf16: it plays in f32, slower; trainjourney bench tells how fast"
    return Finding("processor", fast, fact, cure)


def find_cores(count: int) -> Finding:
    cure = "" if count >= 2 else "give this machine two cores for a smooth ride"
    return Finding("cores", count >= 2, f"{count} to use", cure)


def find_memory(size: int) -> Finding:
    enough = size == 0 or size >= 2**30
    fact = f"{size / 2**30:.1f} GiB" if size else "not known here"
    return Finding("memory", enough, fact, "" if enough else "a show takes 0.5 GiB: close others")


def find_gpu() -> Finding:
    tool = shutil.which("nvidia-smi")
    names = _said([tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]) if tool else ""
    cards = sorted(path.name for path in Path("/dev/dri").glob("renderD*"))
    if names or cards:
        return Finding("gpu", True, names.replace("\n", "; ") or f"/dev/dri/{cards[0]}")
    return Finding("gpu", False, "none seen", "none is needed to play the pocket")


def find_backend() -> Finding:
    found = [
        f"{name} {version}" for name in ("openvino", "onnxruntime") if (version := version_of(name))
    ]
    cure = "" if found else "type: pip install openvino (or onnxruntime, on other processors)"
    return Finding("backend", bool(found), ", ".join(found) or "none", cure)


def find_bundles(engine: str) -> list[Finding]:
    """The bundle that would be played, as `engine`, then every other that is at hand."""
    from trainjourney.inference import find_bundle

    try:
        chosen = find_bundle(engine).resolve()
        findings = [_check_bundle("engine", chosen)]
    except BundleError as err:
        chosen = None
        findings = [Finding("engine", False, str(err), "give --engine a name from below, if any")]
    package = Path(trainjourney.__file__).parent
    roots = (Path("engines"), package / "engines", package.parent / "engines")
    folders = {path.parent.resolve() for root in roots for path in root.glob("*/bundle.toml")}
    return findings + [_check_bundle("bundle", folder) for folder in sorted(folders - {chosen})]


def find_display(name: str) -> Finding:
    cure = "" if name else f"type: trainjourney play --output film.mp4, {VIRTUAL}"
    return Finding("display", bool(name), name or "none that opens", cure)


def find_encoder() -> Finding:
    from av import codec

    there = "libx264" in codec.codecs_available
    cure = "" if there else "for films: pip install --force-reinstall --only-binary :all: av"
    return Finding("film", there, "H.264 by libx264" if there else "no H.264 encoder", cure)


def find_midi(name: str, lack: str = "") -> Finding:
    """`lack` is what the show itself would say where it has no MIDI at all."""
    if name:
        return Finding("midi", True, name)
    fact, _, cure = lack.removeprefix("midi: ").partition("; ")
    cure = cure or "connect a MIDI controller and ask again"
    return Finding("midi", False, fact or "no input", f"the keyboard steers too; {cure}")


def find_ports(page: int, osc: int) -> list[Finding]:
    """Those of the settings; 0 is a free one for the page, and no OSC."""
    asked = (("web page", "tcp", page), ("OSC", "udp", osc))
    return [find_port(*port) for port in asked if port[2]]


def find_port(name: str, kind: str, number: int) -> Finding:
    """Whether a port on loopback can be had."""
    sort = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, sort) as door:
        if kind == "tcp" and os.name == "posix":  # else a closed show keeps it for a minute
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", number))
        except OSError as err:
            cure = f"end what listens there ({kind} {number}) before a show needs its {name}"
            return Finding("port", False, f"{kind} {number}, {name}: {err.strerror}", cure)
    return Finding("port", True, f"{kind} {number} free, for the {name}")


def memory_bytes() -> int:
    """The machine's memory, 0 where it is not told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _check_bundle(name: str, folder: Path) -> Finding:
    from trainjourney.inference import load_bundle

    try:
        load_bundle(folder)
    except BundleError as err:
        return Finding(name, False, str(err), "fetch it again, or export it again from its run")
    return Finding(name, True, f"{_near(folder)}, every file as its manifest says")


def _near(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _said(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
