"""An ONNX model loaded as untrusted input: its file checked, its tensors compared with the contract."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as states

from clearlung.errors import DetectorError
from clearlung.nodules.detectors.contract import CONTRACT, Boxes, Contract, Heatmap
from clearlung.nodules.detectors.weights import has_outside_weights

# Detectors of chest CT have some 100 MB; a file beyond this is not one.
MAX_MODEL_BYTES = 1 << 30
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_FAILURES = (
    states.EPFail,
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NotImplemented,
    states.RuntimeException,
    MemoryError,
    ValueError,
)


class Session:
    """A model that is ready to run on this machine's processor.

    Parameters
    ----------
    folder
        Holds the contract and the model.
    contract
        What the model wants and gives.

    Raises
    ------
    DetectorError
        If the file is missing, too large, not the one that the contract names, keeps weights elsewhere, is
        no ONNX model, or its inputs and outputs are not those of the contract.
    """

    def __init__(self, folder: Path, contract: Contract) -> None:
        raw = _checked_bytes(folder / contract.model.file, contract)
        self._session = _loaded(raw)
        self._contract = contract
        self._input, self._type, self.batch = self._check_input()
        self.outputs = tuple(output.name for output in self._session.get_outputs())
        self._wanted = self._check_outputs()

    def run(self, tensor: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs that the contract names, by name, as float32.

        Raises
        ------
        DetectorError
            If the model fails, or returns what are no finite numbers.
        """
        try:
            given = self._session.run(self._wanted, {self._input: tensor.astype(self._type, copy=False)})
        except _FAILURES as error:
            raise DetectorError("the model", f"it fails on this scan: {_first_line(error)}") from error
        named = {}
        for name, value in zip(self._wanted, given, strict=True):
            array = np.asarray(value)
            if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
                raise DetectorError(f"the model, output {name}", "it returns what are no finite numbers.")
            named[name] = array.astype(np.float32, copy=False)
        return named

    def first_output(self, name: str | None) -> str:
        """Return an output's name, or that of the first one."""
        return name or self.outputs[0]

    def _check_input(self) -> tuple[str, type, int | None]:
        """Return the input's name and type, and its fixed batch size if it has one."""
        given = self._contract.input
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        if len(inputs) != 1:
            raise DetectorError(
                "the model", f"it has {len(inputs)} inputs, and one is fed. Export it with one."
            )
        name = given.name or next(iter(inputs))
        if name not in inputs:
            raise DetectorError(
                f"{CONTRACT}, input.name", f"the model has no input {name!r}; it has {', '.join(inputs)}."
            )
        tensor = inputs[name]
        if tensor.type not in _TYPES:
            raise DetectorError(
                f"the model, input {name}", f"it is a {tensor.type}. Export it for float32 or float16."
            )
        if len(tensor.shape) != 5:
            raise DetectorError(
                f"the model, input {name}",
                f"it has {len(tensor.shape)} axes, and {given.layout} has 5. Export it for volumes.",
            )
        for letter, size in zip(given.layout, tensor.shape, strict=True):
            self._check_size(name, letter, size)
        batch = tensor.shape[0]
        return name, _TYPES[tensor.type], batch if isinstance(batch, int) else None

    def _check_size(self, name: str, letter: str, size: Any) -> None:
        """Compare one axis of the input with the contract; a name or nothing is any size."""
        if not isinstance(size, int):
            return
        given = self._contract.input
        where = f"the model, input {name}"
        if letter == "N":
            if size != 1 and given.sees != "candidates":
                raise DetectorError(where, f"its batch is fixed to {size}. Export it with 1 or any.")
            return
        if letter == "C":
            wanted, field = len(given.channels), "input.channels"
        elif given.patch_voxels is None:
            raise DetectorError(
                where,
                f"its size along {letter} is fixed to {size}, and it is to see whole lungs. Export it with "
                'any size, or set input.sees to "windows" and input.patch_voxels to its size.',
            )
        else:
            wanted, field = getattr(given.patch_voxels, letter.lower()), "input.patch_voxels"
        if size != wanted:
            raise DetectorError(
                f"{CONTRACT}, {field}",
                f"it makes {wanted} along {letter}, and the model wants {size}. Correct it or input.layout.",
            )

    def _check_outputs(self) -> list[str]:
        output = self._contract.output
        if isinstance(output, Boxes):
            wanted = {"boxes": output.boxes, "scores": output.scores}
        else:
            wanted = {"name": self.first_output(output.name)}
            if isinstance(output, Heatmap) and output.diameter is not None:
                wanted["diameter"] = output.diameter
        for field, name in wanted.items():
            if name not in self.outputs:
                raise DetectorError(
                    f"{CONTRACT}, output.{field}",
                    f"the model has no output {name!r}; it has {', '.join(self.outputs)}.",
                )
        return list(wanted.values())


def _checked_bytes(path: Path, contract: Contract) -> bytes:
    """Read the model's file once; what is hashed is what is run."""
    field = f"{CONTRACT}, model.file"
    try:
        size = path.stat().st_size
        if not 0 < size <= MAX_MODEL_BYTES:
            raise DetectorError(field, f"it has {size} bytes; a model has 1 to {MAX_MODEL_BYTES}.")
        raw = path.read_bytes()
    except OSError as error:
        raise DetectorError(
            field, f"{contract.model.file} cannot be read beside the contract: {error.strerror}."
        ) from error
    digest = hashlib.sha256(raw).hexdigest()
    if digest != contract.model.sha256:
        raise DetectorError(
            f"{CONTRACT}, model.sha256",
            f"{contract.model.file} is another file than the one described: its hash is {digest}. Get the "
            "right file; change the hash only if you know why the file changed.",
        )
    return raw


def _loaded(raw: bytes) -> Any:
    try:
        outside = has_outside_weights(raw)
    except ValueError as error:
        raise DetectorError("the model", f"it is no ONNX file: {error}. Export it again.") from error
    if outside:
        raise DetectorError(
            "the model",
            "it keeps weights in other files, which are not read. Export it with its weights inside.",
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = processors()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    except _FAILURES as error:
        raise DetectorError(
            "the model", f"it is not run by ONNX Runtime {ort.__version__}: {_first_line(error)}"
        ) from error


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
