"""Writing a trained network as ONNX, in float and in 8-bit integers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import torch
from numpy.typing import NDArray
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import (  # type: ignore[import-untyped]
    quant_pre_process,
)
from torch import nn

from analysis.segmentation.letterbox import NETWORK_SHAPE
from analysis.training.segmentation.evaluation import Predict

OPSET = 18
INPUT, OUTPUTS = "image", ("classes", "landmarks")

FloatMap = NDArray[np.float32]


def export_float(network: nn.Module, path: Path) -> None:
    """Write a network in evaluation mode as 32-bit ONNX; the batch size stays free."""
    example = torch.zeros(2, 1, *NETWORK_SHAPE)
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.to(memory_format=torch.contiguous_format),  # type: ignore[call-overload]
            (example,),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: batch},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch exported nothing")
    _write(program.model_proto, path)


def export_integer(float_path: Path, path: Path, calibration: Sequence[FloatMap]) -> None:
    """Quantise a float network to 8-bit integers, weights per channel, activations as `calibration` shows.

    Parameters
    ----------
    calibration : sequence of ndarray of float32, (1, 1, 256, 176)
        Network inputs of ordinary scans.
    """
    with TemporaryDirectory() as directory:
        prepared = Path(directory) / "prepared.onnx"
        quantised = Path(directory) / "quantised.onnx"
        quant_pre_process(str(float_path), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(quantised),
            _Calibration(calibration),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        _write(onnx.load(str(quantised)), path)


def session(path: Path) -> onnxruntime.InferenceSession:
    """Open a network for one thread, as the node does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def predictor(path: Path) -> Predict:
    """Class logits and heat maps from an ONNX file."""
    opened = session(path)

    def predict(array: FloatMap) -> tuple[FloatMap, FloatMap]:
        classes, landmarks = opened.run(list(OUTPUTS), {INPUT: array})
        return np.asarray(classes), np.asarray(landmarks)

    return predict


def _write(model: onnx.ModelProto, path: Path) -> None:
    """Write without what names the writer's machine or files."""
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


class _Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, arrays: Sequence[FloatMap]) -> None:
        self._arrays: Iterator[FloatMap] = iter(arrays)

    def get_next(self) -> dict[str, FloatMap] | None:
        array = next(self._arrays, None)
        return None if array is None else {INPUT: array}
