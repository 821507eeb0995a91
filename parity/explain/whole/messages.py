"""Arrays in messages between processes keep their shape."""

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return a message with its arrays as plain data."""
    if isinstance(value, np.ndarray):
        return {"array": np.ascontiguousarray(value).tobytes(), "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def restored(value: Any) -> Any:
    """Return a message with its arrays as such."""
    if isinstance(value, dict):
        if value.keys() == {"array", "dtype", "shape"}:
            return np.frombuffer(value["array"], dtype=np.dtype(value["dtype"])).reshape(value["shape"])
        return {key: restored(each) for key, each in value.items()}
    return [restored(each) for each in value] if isinstance(value, list) else value
