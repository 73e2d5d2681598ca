"""3-D convolutions written over planes, against those they replace."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from training.planes import in_planes

from clearlung.nodules.network import MODEL_FILE


def network(channels, edge, layers, *, pads=1):
    """A chain of convolutions with random weights: ``layers`` holds outputs and stride of each."""
    rng = np.random.default_rng(7)
    nodes, weights, name, before = [], [], "near", channels
    for number, (outputs, stride) in enumerate(layers):
        for kind, shape in (("weight", (outputs, before, 3, 3, 3)), ("bias", (outputs,))):
            values = rng.normal(0, 0.3, shape).astype(np.float32)
            weights.append(numpy_helper.from_array(values, f"{kind}{number}"))
        given = [name, f"weight{number}", f"bias{number}"]
        around = {"kernel_shape": [3] * 3, "pads": [pads] * 6, "strides": [stride] * 3}
        nodes.append(helper.make_node("Conv", given, [f"sums{number}"], **around))
        nodes.append(helper.make_node("Relu", [f"sums{number}"], [f"layer{number}"]))
        name, before = f"layer{number}", outputs
    nodes.append(helper.make_node("Flatten", [name], ["answers"], axis=1))
    near = helper.make_tensor_value_info("near", TensorProto.FLOAT, ["n", channels, edge, edge + 1, edge + 2])
    answers = helper.make_tensor_value_info("answers", TensorProto.FLOAT, ["n", None])
    graph = helper.make_graph(nodes, "network", [near], [answers], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(model, near):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"near": near})[0]


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("edge", [6, 7])
@pytest.mark.parametrize("strides", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_the_answers_are_the_same(channels, edge, strides):
    model = network(channels, edge, [(5, strides[0]), (8, strides[1])])
    near = np.random.default_rng(edge).normal(size=(3, channels, edge, edge + 1, edge + 2)).astype(np.float32)
    np.testing.assert_allclose(answers(in_planes(model), near), answers(model, near), rtol=1e-4, atol=1e-5)


def test_another_kind_of_convolution_is_refused():
    with pytest.raises(ValueError, match="only convolutions by 3 x 3 x 3"):
        in_planes(network(2, 8, [(4, 1)], pads=0))


def test_the_network_that_ships_is_written_so():
    from importlib.resources import files

    model = onnx.load_from_string((files("clearlung.nodules.network") / MODEL_FILE).read_bytes())
    weights = {w.name: w.dims for w in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions
    assert {len(weights[node.input[1]]) for node in convolutions} == {4}
