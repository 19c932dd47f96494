"""A disk that is soon full: a small file system of its own where the tests may mount one (as root),
else a limit on the size of every file that this process writes; and what a kill leaves on one."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Grow = Callable[[], None]


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Grow]:
    """`folder` holds `size` bytes, until what is yielded is called: then there is room."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tests", str(folder)]
    if subprocess.run(words, capture_output=True).returncode == 0:

        def grow() -> None:
            subprocess.run(["mount", "-o", "remount,size=256m", str(folder)], check=True)

        try:
            yield grow
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def lift() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 32, before[1]))
    try:
        yield lift
    finally:
        lift()


def left_by_kill(folder: Path, *kinds: str) -> list[Path]:
    """What a process that was killed, and then one that still runs, left beside a bundle."""
    killed = subprocess.Popen(["true"])
    killed.wait()
    made = []
    for number in (killed.pid, os.getppid()):
        made += [folder.with_name(f".{folder.name}.{kind}-{number}") for kind in kinds]
    for one in made:
        (one / "looks").mkdir(parents=True)
        (one / "weights.safetensors").write_bytes(b"half")
    return made


def files_in(folder: Path) -> list[str]:
    """Every file below, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
