"""Jobs side by side: what becomes of the workers."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving import wait_for

ROOT = Path(__file__).resolve().parent.parent
JOBS = """
import time
from trainjourney.side_by_side import share

if __name__ == "__main__":
    share([(time.sleep, (600.0,))] * 2, 2, print)
"""


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in found.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "jobs.py"
    path.write_text(JOBS)
    with subprocess.Popen([sys.executable, str(path)], cwd=ROOT) as parent:
        wait_for(lambda: len(children(parent.pid)) == 3, 20.0)  # and what tracks their resources
        workers = children(parent.pid)
        time.sleep(1.0)  # they begin
        parent.kill()
    wait_for(lambda: not any(Path(f"/proc/{one}/cmdline").exists() for one in workers), 20.0)
