"""The network that ships with Clearlung."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numba
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from clearlung.nodules.network.card import NetworkCard

MODEL_FILE, CARD_FILE = "nodule_network.onnx", "nodule_network.json"
# Candidates that go through the layers at once: of more, what one layer leaves for the next falls out of the
# processor's cache.
AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class OnnxNetwork:
    """A network in ONNX Runtime; called, it answers for a batch of candidates.

    Parameters
    ----------
    session
        From :func:`open_session`.
    """

    session: onnxruntime.InferenceSession

    def __call__(
        self, near: NDArray[np.float32], wide: NDArray[np.float32], sizes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return logit, log size and offset of each candidate, shape (n, 5)."""
        answers = np.empty((len(near), 5), dtype=np.float32)
        for start in range(0, len(near), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            given = {"near": near[part], "wide": wide[part], "sizes": sizes[part]}
            (answers[part],) = self.session.run(None, given)
        return answers


@cache
def built_in_card() -> NetworkCard:
    """Return the card of the network that ships with Clearlung."""
    text = (files("clearlung.nodules.network") / CARD_FILE).read_text(encoding="utf-8")
    return NetworkCard.model_validate_json(text)


@cache
def built_in_network() -> OnnxNetwork:
    """Load the network that ships with Clearlung.

    Raises
    ------
    RuntimeError
        If its file is not the one that its card describes: a damaged installation.
    """
    model = (files("clearlung.nodules.network") / MODEL_FILE).read_bytes()
    if hashlib.sha256(model).hexdigest() != built_in_card().model_sha256:
        raise RuntimeError(f"{MODEL_FILE} is not the file that {CARD_FILE} describes: install Clearlung anew")
    return OnnxNetwork(open_session(model))


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """Open a model on the processor, with as many threads as numba uses.

    Parameters
    ----------
    model
        Content of an ONNX file.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = numba.get_num_threads()
    # Threads that spin while they wait take time from whatever else runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
