"""Arrays in a .npz file of whoever's making: bounded, never a pickle."""

import io
import math
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


def read_arrays(data: bytes, names: Sequence[str], most: int) -> list[NDArray[np.generic]]:
    """The arrays of these names, each of `most` bytes at most unpacked. Raises ValueError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [_array(archive, name, most) for name in names]
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, OSError) as err:
        raise ValueError(err) from err
    except (NotImplementedError, RuntimeError, SyntaxError) as err:  # zip features, odd headers
        raise ValueError(err) from err


def _array(archive: zipfile.ZipFile, name: str, most: int) -> NDArray[np.generic]:
    """One array of an npz. Its size is known before anything is allocated."""
    if archive.getinfo(f"{name}.npy").file_size > most:
        raise ValueError(f"{name} is larger than {most >> 20} MB unpacked")
    with archive.open(f"{name}.npy") as member:
        data = io.BytesIO(member.read(most))
    version = npy.read_magic(data)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = header(data)
    if dtype.hasobject or dtype.itemsize == 0:
        raise ValueError(f"{name} holds {dtype}, not numbers or texts")
    if math.prod(shape) * dtype.itemsize != len(data.getvalue()) - data.tell():
        raise ValueError(f"{name} is not as large as it says")
    data.seek(0)
    array: NDArray[np.generic] = npy.read_array(data, allow_pickle=False)
    return array
