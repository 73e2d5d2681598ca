"""The fitted network as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from clearlung.nodules.network import PATCH
from training.model import NoduleNetwork
from training.planes import in_planes

OPSET = 17


def export(network: NoduleNetwork, path: Path) -> None:
    """Write the network with any number of candidates a batch.

    Parameters
    ----------
    network
        Fitted.
    path
        The ``.onnx`` file.
    """
    patch = torch.zeros(2, 2, PATCH, PATCH, PATCH)
    names = ("near", "wide", "sizes")
    torch.onnx.export(
        network.eval().to(memory_format=torch.contiguous_format),
        (patch, patch.clone(), torch.zeros(2, 3)),
        str(path),
        input_names=list(names),
        output_names=["answers"],
        dynamic_axes={name: {0: "candidates"} for name in (*names, "answers")},
        opset_version=OPSET,
        dynamo=False,
    )
    onnx.save(in_planes(onnx.load(path)), path)
