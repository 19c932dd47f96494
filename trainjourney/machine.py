"""What this machine is: its processor, and the packages that are installed here."""

import platform
from importlib import metadata
from pathlib import Path


def processor_name() -> str:
    """The processor's model, as far as the system tells."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def processor_features() -> frozenset[str]:
    """Vector features by their Linux names; elsewhere none are known."""
    words = _cpuinfo("flags") or _cpuinfo("Features")
    return frozenset(words.replace("asimd ", "asimd neon ").split())


def version_of(package: str) -> str:
    """The version of a package; nothing where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
