"""Whether an ONNX file keeps weights outside itself, read from its bytes without trusting them."""

from __future__ import annotations

from collections.abc import Iterator

# Where tensors can be in a model: for each kind of message, its fields that hold another one.
# https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
_INSIDE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
# A number takes seven bits of each of at most ten bytes.
_MAX_VARINT_BYTES = 10


def has_outside_weights(model: bytes) -> bool:
    """Return whether any tensor of a model says that its values are in another file.

    Parameters
    ----------
    model
        The bytes of an ONNX file.

    Raises
    ------
    ValueError
        If they are no ONNX model.
    """
    waiting = [("model", memoryview(model))]
    found_graph = False
    while waiting:
        kind, message = waiting.pop()
        for number, wire, value in _fields(message):
            if kind == "tensor":
                if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and wire == _VARINT and value == 1):
                    return True
            elif number in _INSIDE[kind] and isinstance(value, memoryview):
                waiting.append((_INSIDE[kind][number], value))
                found_graph |= kind == "model" and number == 7
    if not found_graph:
        raise ValueError("no graph")
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield number, wire type and value of each field of a protocol-buffer message."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, place = _varint(message, place)
            yield number, wire, value
            continue
        if wire == _LENGTH:
            length, place = _varint(message, place)
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if wire == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"wire type {wire}")
        if place + length > len(message):
            raise ValueError("a field is longer than its message")
        yield number, wire, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for count in range(_MAX_VARINT_BYTES):
        if place >= len(message):
            raise ValueError("it ends within a number")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place
    raise ValueError("a number is too long")
