"""3-D convolutions as 2-D ones over neighboring planes: the same sums, with faster code in ONNX Runtime.

Its kernels for 2-D convolutions keep eight channels side by side in a register; a 3-D convolution it unfolds
into a matrix first. One by 3 x 3 x 3 is a 2-D one by 3 x 3 whose channels are those of three neighboring
planes. Answers differ by rounding only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

# Channels that the kernels want at least and take at once.
CHANNELS_AT_ONCE = 8


def in_planes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that answers the same and convolves planes.

    Parameters
    ----------
    model
        A chain of operations, or several chains that end in one. Its 3-D convolutions have kernels of 3,
        padding of 1 and no groups, and nothing but activations and flattening follows them.

    Raises
    ------
    ValueError
        If a 3-D convolution is of another kind.
    """
    return _Rewriting(onnx.shape_inference.infer_shapes(model)).model()


class _Rewriting:
    """The new graph while it is written.

    Volumes are kept as stacks of planes, shape (n, depth, channels, height, width).
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._old = model
        graph = model.graph
        self._weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
        values = (*graph.input, *graph.value_info, *graph.output)
        self._shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}
        # Names of the old graph whose values the new one holds as planes (several of one volume in one).
        self._planes: set[str] = set()

    def model(self) -> onnx.ModelProto:
        for node in self._old.graph.node:
            if node.op_type == "Conv" and len(self._weights[node.input[1]].shape) == 5:
                self._convolve(node)
            elif node.input[0] in self._planes and node.op_type == "Relu":
                self._nodes.append(node)
                self._planes.add(node.output[0])
            else:
                inputs = [self._volume(name) if name in self._planes else name for name in node.input]
                self._add(node.op_type, inputs, node.output[0], node.attribute)
        used = {name for node in self._nodes for name in node.input}
        kept = {name: w for name, w in self._weights.items() if name in used} | self._constants
        graph = self._old.graph
        new = helper.make_graph(
            self._nodes,
            graph.name,
            list(graph.input),
            list(graph.output),
            [numpy_helper.from_array(w, name) for name, w in kept.items()],
        )
        made = helper.make_model(
            new,
            opset_imports=self._old.opset_import,
            ir_version=self._old.ir_version,
            producer_name="clearlung",
        )
        onnx.checker.check_model(made)
        return made

    def _convolve(self, node: onnx.NodeProto) -> None:
        source, target, name = node.input[0], node.output[0], node.output[0]
        weight = self._weights[node.input[1]]
        stride = _stride(node, weight)
        _, channels, _, height, width = self._shapes[source]
        depth_after = self._shapes[target][2]
        together, taps = _grouped(channels, depth_after, stride)
        planes = self._stack(source) if source in self._planes else self._turned(source)
        around = self._constant(f"{name}/around", [0, 1, 0, 0, 0, 0, 1 + taps, 0, 0, 0])
        padded = self._add("Pad", [planes, around], f"{name}/padded")
        first = np.arange(0, depth_after, together)[:, None] * stride
        neighbors = self._constant(f"{name}/neighbors", first + np.arange(taps))
        gathered = self._add("Gather", [padded, neighbors], f"{name}/gathered", axis=1)
        shape = self._constant(f"{name}/shape", [-1, taps * channels, height, width])
        stacked = self._add("Reshape", [gathered, shape], f"{name}/stacked")
        self._constants[f"{name}/weight"] = _over_planes(weight, stride, together, taps)
        self._constants[f"{name}/bias"] = np.tile(self._weights[node.input[2]], together)
        inputs = [stacked, f"{name}/weight", f"{name}/bias"]
        self._add("Conv", inputs, target, kernel_shape=[3, 3], pads=[1] * 4, strides=[stride] * 2)
        self._planes.add(target)

    def _turned(self, name: str) -> str:
        return self._add("Transpose", [name], f"{name}/planes", perm=[0, 2, 1, 3, 4])

    def _stack(self, name: str) -> str:
        _, channels, depth, height, width = self._shapes[name]
        shape = self._constant(f"{name}/stack_shape", [-1, depth, channels, height, width])
        return self._add("Reshape", [name, shape], f"{name}/stack")

    def _volume(self, name: str) -> str:
        return self._add("Transpose", [self._stack(name)], f"{name}/volume", perm=[0, 2, 1, 3, 4])

    def _constant(self, name: str, values: Any) -> str:
        self._constants[name] = np.asarray(values, dtype=np.int64)
        return name

    def _add(self, kind: str, inputs: list[str], output: str, kept: Any = (), **attributes: Any) -> str:
        node = helper.make_node(kind, inputs, [output], **attributes)
        node.attribute.extend(kept)
        self._nodes.append(node)
        return output


def _stride(node: onnx.NodeProto, weight: NDArray[np.float32]) -> int:
    """Return the stride of a convolution, the same along each axis."""
    of = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    strides = set(of.get("strides", [1]))
    plain = (
        set(of.get("pads", [0])) == {1} and set(of.get("dilations", [1])) == {1} and of.get("group", 1) == 1
    )
    if weight.shape[2:] != (3, 3, 3) or not plain or len(strides) != 1 or len(node.input) != 3:
        raise ValueError(
            f"{node.name or node.output[0]}: only convolutions by 3 x 3 x 3 with a bias, padding of 1, one"
            " stride, no dilation and no groups can be written over planes"
        )
    return int(strides.pop())


def _grouped(channels: int, depth_after: int, stride: int) -> tuple[int, int]:
    """Return how many planes of the result one convolution makes, and of how many planes.

    Two at once where that fills the kernels' channels with fewer zeros.
    """
    two = 3 + stride
    if 3 * channels < CHANNELS_AT_ONCE:
        if two * channels == CHANNELS_AT_ONCE and depth_after % 2 == 0:
            return 2, two
        return 1, -(-CHANNELS_AT_ONCE // channels)
    return 1, 3


def _over_planes(weight: NDArray[np.float32], stride: int, together: int, taps: int) -> NDArray[np.float32]:
    """Return the 2-D weights, shape (together * outputs, taps * channels, 3, 3)."""
    outputs, channels = weight.shape[:2]
    # Planes that are no neighbors get 0.
    flat = np.zeros((together, outputs, taps, channels, 3, 3), dtype=np.float32)
    for plane in range(together):
        flat[plane, :, plane * stride : plane * stride + 3] = weight.transpose(0, 2, 1, 3, 4)
    return flat.reshape(together * outputs, taps * channels, 3, 3)
