"""openvino without the converter that it brings along: nobody here converts, and that one tells a
service for statistics of every import, and leaves a number for this machine in the user's home."""

import sys

sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]  # as if it lacked

import openvino as ov  # noqa: E402

__all__ = ["ov"]
