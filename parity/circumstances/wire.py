"""How results travel between processes: length-prefixed MessagePack frames; nothing is ever unpickled."""

import struct
from typing import Any, BinaryIO

import msgspec
import numpy as np

from parity.verdicts.results import Comparison, Pair

_LENGTH = struct.Struct("<Q")


def write(stream: BinaryIO, message: Any) -> None:
    """Write one frame."""
    payload = packed(message)
    stream.write(_LENGTH.pack(len(payload)))
    stream.write(payload)
    stream.flush()


def read(stream: BinaryIO) -> Any:
    """Read one frame; None at the end of the stream, also where the writer died inside a frame."""
    head = _exactly(stream, _LENGTH.size)
    if head is None:
        return None
    payload = _exactly(stream, *_LENGTH.unpack(head))
    return None if payload is None else unpacked(payload)


def _exactly(stream: BinaryIO, length: int) -> bytearray | None:
    """Return so many bytes, which a stream without a buffer hands out in parts; None where it ends before."""
    found = bytearray(length)
    place, left = 0, memoryview(found)
    while place < length and (count := stream.readinto(left[place:])):  # type: ignore[attr-defined]  # a file has it
        place += count
    return found if place == length else None


def packed(message: Any) -> bytes:
    """Return what a frame holds."""
    return msgspec.msgpack.encode(message, enc_hook=_array)


def unpacked(payload: bytes | bytearray) -> Any:
    """Return the message of a frame."""
    return msgspec.msgpack.decode(payload)


def pair_from(message: Any) -> Pair:
    """Return the pair in a decoded frame, its tables as arrays again."""
    pair = msgspec.convert(message, Pair)
    return msgspec.structs.replace(pair, comparisons=[_with_arrays(item) for item in pair.comparisons])


def comparisons_from(message: Any) -> list[Comparison]:
    """Return the comparisons in a decoded frame, their tables as arrays again."""
    return [_with_arrays(item) for item in msgspec.convert(message, list[Comparison])]


def _with_arrays(item: Comparison) -> Comparison:
    if item.table is None:
        return item
    return msgspec.structs.replace(item, table={k: restored(v) for k, v in item.table.items()})


def _array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "bytes": value.tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str):  # torch's version is a string of its own kind
        return str(value)
    raise TypeError(f"cannot send {type(value).__name__}")


def restored(value: Any) -> Any:
    """Return an array of a decoded frame as such, and anything else as it is."""
    if isinstance(value, dict):
        return np.frombuffer(value["bytes"], dtype=np.dtype(value["dtype"]))
    return value
