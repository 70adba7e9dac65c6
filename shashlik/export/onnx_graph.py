"""Convert Keras models to ONNX graphs; needs the packages of the extra ``export``.

tf2onnx converts the trace of TensorFlow. Three operations need conversions of their own: tf2onnx computes
logarithms of doubles in single precision, and knows neither ``Log1p`` nor the ``Bitcast`` with which Keras's
argmin distinguishes -0 from 0.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shashlik.exceptions import BadInput

__all__ = ["OPSET", "Tensor", "answers", "convert"]

#: The first operator set with BitwiseAnd, which Keras's argmin needs.
OPSET = 18
#: Events in one call of a graph.
BATCH = 2048

#: Name, numpy type, and shape per event of an input or output.
Tensor = tuple[str, str, tuple[int, ...]]


def convert(model: Any, path: Path) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Write a Keras model as an ONNX graph.

    Parameters
    ----------
    model : keras.Model
        Model with named inputs and a dictionary of outputs. The graph has the same names, and a first axis
        of any length: the events.
    path : pathlib.Path
        Where the graph is written.

    Returns
    -------
    inputs, outputs : tuple of Tensor

    Raises
    ------
    BadInput
        If the packages are missing, or an operation of the model cannot be converted.
    """
    try:
        import tf2onnx
    except ImportError as error:
        raise BadInput(
            f"export needs the package {error.name}: install it with \"pip install -e '.[export]'\""
        ) from error
    import tensorflow as tf

    inputs = [
        tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype, name=tensor.name) for tensor in model.inputs
    ]

    def call(*tensors: Any) -> Any:
        return model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)

    traced = tf.function(call, input_signature=inputs)
    # tf2onnx logs node counts and unknown operations; the error below reports the latter in one line.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    rules = {"Log": _log, "Log1p": _log1p, "Bitcast": _sign_bit}
    handlers = {name: (rule, list[Any]()) for name, rule in rules.items()}
    try:
        tf2onnx.convert.from_function(
            traced, input_signature=inputs, opset=OPSET, custom_op_handlers=handlers, output_path=str(path)
        )
        session = _session(path)
    except Exception as error:
        raise BadInput(
            f"the network cannot be written as ONNX ({' '.join(str(error).split())[:300]}): build it of "
            "other operations, or give shashlik/export/onnx_graph.py a rule for this one"
        ) from error
    return tuple(map(_tensor, session.get_inputs())), tuple(map(_tensor, session.get_outputs()))


def answers(
    path: Path, inputs: Mapping[str, NDArray[Any]], batch: int = BATCH
) -> dict[str, NDArray[np.floating]]:
    """Compute the outputs of a graph with ONNX Runtime, shape (events,) each.

    Parameters
    ----------
    path : pathlib.Path
        The graph.
    inputs : mapping of str to ndarray, shape (events, ...)
    batch : int
        Events in one call.
    """
    session = _session(path)
    names = [output.name for output in session.get_outputs()]
    events = len(next(iter(inputs.values())))
    parts = [
        session.run(names, {name: values[start : start + batch] for name, values in inputs.items()})
        for start in range(0, max(events, 1), batch)
    ]
    return {name: np.concatenate([part[index] for part in parts]) for index, name in enumerate(names)}


def _session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _tensor(value: Any) -> Tensor:
    kind = {"tensor(float)": "float32", "tensor(double)": "float64"}[value.type]
    return value.name, kind, tuple(value.shape[1:])


def _log(context: Any, node: Any, name: str, arguments: Sequence[Any]) -> None:
    """Keep the node as it is: ONNX Runtime has logarithms of doubles."""


def _log1p(context: Any, node: Any, name: str, arguments: Sequence[Any]) -> None:
    """Replace the node by log(1 + x).

    This loses the purpose of Log1p, the digits of x far below 1; the comparison with the model decides.
    """
    kind = {1: np.float32, 11: np.float64}[context.get_dtype(node.input[0])]
    unit = context.make_const(f"{name}_one", np.ones((), kind)).output[0]
    node.type = "Log"
    context.insert_new_node_on_input(node, "Add", [node.input[0], unit])


def _sign_bit(context: Any, node: Any, name: str, arguments: Sequence[Any]) -> None:
    """Replace a bit cast by the sign bit as an integer; -0 is recognised by its reciprocal."""
    masks = [
        value.get_tensor_value()
        for consumer in context.find_output_consumers(node.output[0])
        for value in consumer.inputs
        if consumer.type == "BitwiseAnd" and value.is_const()
    ]
    consumers = len(context.find_output_consumers(node.output[0]))
    lowest, value = -(2**31), node.input[0]
    if masks != [lowest] * consumers:
        raise ValueError(f"{name} asks for more of a float's bits than its sign")
    zero = context.make_const(f"{name}_zero", np.zeros((), np.float32)).output[0]
    bit, nothing = (
        context.make_const(f"{name}_{number}", np.array(number, np.int32)).output[0] for number in (lowest, 0)
    )
    inverse = context.make_node("Reciprocal", [value]).output[0]
    below = [context.make_node("Less", [operand, zero]).output[0] for operand in (value, inverse)]
    negative = context.make_node("Or", below).output[0]
    kind, outputs = context.get_dtype(node.output[0]), node.output
    context.remove_node(node.name)
    context.make_node(
        "Where", [negative, bit, nothing], name=node.name, outputs=outputs, dtypes=[kind], shapes=[None]
    )
