"""Memory that two processes share. It has no name: the system frees it with its last holder.

A named segment would outlive a show that is killed. This is a file without a name, handed to the
child as an open descriptor (`pass_fds`); POSIX only. What stands in it is guarded by sequence
numbers: odd while being written, so that a reader sees a torn copy and reads again. That needs
stores to be seen in the order they were made: x86 promises it, arm64 was not tried.
"""

import mmap
import os
import tempfile

from trainjourney.errors import BackendError


class Memory:
    """`size` zeroed bytes, or those of another process by its descriptor. Raises BackendError."""

    def __init__(self, size: int, fd: int | None = None) -> None:
        assert size > 0, size
        try:
            if fd is None:
                fd = _nameless()
                os.ftruncate(fd, size)
            self._map = mmap.mmap(fd, size)
        except OSError as err:
            raise BackendError(
                f"no {size >> 10} kB of memory to share with the world ({err.strerror}); "
                "look at ulimit -f and at the free memory"
            ) from err
        self.fd, self.size = fd, size
        self.view = memoryview(self._map)

    def close(self) -> None:
        """Let go of the descriptor. The bytes go with the last array that looks at them."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("trainjourney")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
