"""Tiny ONNX models, built by hand, with the contracts that describe them."""

import hashlib
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ABOUT = {"license": "Apache-2.0", "source": "a test", "trained_on": "nothing"}


def write(folder, nodes, inputs, outputs, weights=(), **contract):
    """Write a model and its contract; return the folder."""
    folder.mkdir(exist_ok=True)
    graph = helper.make_graph(nodes, "detector", inputs, outputs, initializer=list(weights))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    raw = model.SerializeToString()
    (folder / "model.onnx").write_bytes(raw)
    whole = {
        "format": "clearlung-detector/1",
        "title": "a test's detector",
        "model": {"file": "model.onnx", "sha256": hashlib.sha256(raw).hexdigest()},
        "about": ABOUT,
        **contract,
    }
    (folder / "detector.json").write_text(json.dumps(whole))
    return folder


def change(folder, **changes):
    """Change the contract by dotted names with two underscores."""
    path = folder / "detector.json"
    whole = json.loads(path.read_text())
    for name, value in changes.items():
        *parts, last = name.split("__")
        part = whole
        for key in parts:
            part = part[key]
        part[last] = value
    path.write_text(json.dumps(whole))


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def xyz(values):
    return dict(zip("xyz", values, strict=True))


def ball_heatmap(folder, layout="NCZYX", axes="LPS", spacing=(2.0, 2.0, 2.0), patch=None, fixed=False):
    """A model whose heatmap is the mean density in a cube of five voxels: it peaks in the balls' middles.

    The window maps lung to 0 and tissue to 1; a nodule's surroundings are hidden by the lungs' channel.
    """
    channel = layout.index("C")
    turned = [layout.index(c) for c in "NC" + layout.replace("N", "").replace("C", "")]
    back = list(np.argsort(turned))
    kernel = np.zeros((1, 2, 5, 5, 5))
    kernel[0, 0] = 1 / 125
    sizes = [1 if c == "N" else 2 if c == "C" else f"n{c}" for c in layout]
    if fixed:
        sizes = [1 if c == "N" else 2 if c == "C" else patch["XYZ".index(c)] for c in layout]
    out = [1 if i == channel else s for i, s in enumerate(sizes)]
    return write(
        folder,
        [
            helper.make_node("Transpose", ["image"], ["first"], perm=turned),
            helper.make_node("Gather", ["first", "one"], ["lungs"], axis=1),
            helper.make_node("Mul", ["first", "lungs"], ["inside"]),
            helper.make_node("Conv", ["inside", "kernel"], ["mean"], pads=[2] * 6),
            helper.make_node("Clip", ["mean", "low", "high"], ["cut"]),
            helper.make_node("Transpose", ["cut"], ["heat"], perm=back),
        ],
        [tensor("image", sizes)],
        [tensor("heat", out)],
        [constant("kernel", kernel), constant("one", [1], np.int64), constant("low", 0), constant("high", 1)],
        input={
            "sees": "windows" if patch else "lungs",
            "layout": layout,
            "axes": axes,
            "spacing_mm": spacing if spacing == "native" else xyz(spacing),
            "patch_voxels": xyz(patch) if patch else None,
            "channels": ["hu", "lungs"],
            "window_hu": [-850, 40],
        },
        output={"kind": "heatmap", "threshold": 0.25},
    )


def constant_boxes(folder, boxes, scores, **output):
    """A model that returns the same boxes whatever it sees."""
    return write(
        folder,
        [
            helper.make_node("Identity", ["b"], ["boxes"]),
            helper.make_node("Identity", ["s"], ["scores"]),
        ],
        [tensor("image", [1, 1, "z", "y", "x"])],
        [tensor("boxes", np.shape(boxes)), tensor("scores", np.shape(scores))],
        [constant("b", boxes), constant("s", scores)],
        input={
            "sees": "lungs",
            "layout": "NCZYX",
            "axes": "RAS",
            "spacing_mm": "native",
            "window_hu": [-1000, 400],
        },
        output={
            "kind": "boxes",
            "boxes": "boxes",
            "scores": "scores",
            "mode": "xyzxyz",
            "unit": "mm",
            "zero": "voxel_center",
            "threshold": 0.1,
            **output,
        },
    )


def bright_middle(folder, batch="n"):
    """A filter that is sure where a patch's middle voxel is bright: logits of two classes."""
    return write(
        folder,
        [
            helper.make_node("Slice", ["image", "from", "to", "axes"], ["middle"]),
            helper.make_node("Reshape", ["middle", "column"], ["value"]),
            helper.make_node("Mul", ["value", "ten"], ["steep"]),
            helper.make_node("Neg", ["steep"], ["other"]),
            helper.make_node("Concat", ["other", "steep"], ["logits"], axis=1),
        ],
        [tensor("image", [batch, 1, 9, 9, 9])],
        [tensor("logits", [batch, 2])],
        [
            constant("from", [4, 4, 4], np.int64),
            constant("to", [5, 5, 5], np.int64),
            constant("axes", [2, 3, 4], np.int64),
            constant("column", [-1, 1], np.int64),
            constant("ten", 10),
        ],
        input={
            "sees": "candidates",
            "layout": "NCXYZ",
            "axes": "RAS",
            "spacing_mm": xyz((1.0, 1.0, 1.0)),
            "patch_voxels": xyz((9, 9, 9)),
            "window_hu": [-800, 0],
            "scaled_to": [-1, 1],
        },
        output={"kind": "probability", "activation": "softmax", "index": 1, "threshold": 0.5},
    )
