"""ONNX Runtime: inference only. Networks are written as ONNX graphs, images NCHW as its kernels want them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from harness.inputs import normal
from harness.mode import Mode, Modes, NotOfferedError
from harness.networks import NETWORKS, NUM_WEIGHTS, Network, initial_weights, same_padding

_threads = 1


def start(threads: int) -> str:
    global _threads
    _threads = threads
    return str(onnxruntime.__version__)


def _model(network: Network, batch: int) -> bytes:
    weights = iter(initial_weights(network))
    nodes, constants = [], []
    shape = network.input_shape  # of one sample, (H, W, C) or (C,)
    before_flatten: tuple[int, ...] | None = None

    def constant(array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), f"w{len(constants)}"))
        return str(constants[-1].name)

    def node(kind: str, *inputs: str, **attributes: Any) -> None:
        source = f"v{len(nodes)}"
        nodes.append(helper.make_node(kind, [source, *inputs], [f"v{len(nodes) + 1}"], **attributes))

    for kind, *numbers in network.layers:
        own = [next(weights) for _ in range(NUM_WEIGHTS.get(kind, 0))]
        if kind == "dense":
            kernel = own[0]
            if before_flatten:  # its rows follow (H, W, C), ours come as (C, H, W)
                kernel = kernel.reshape(*before_flatten, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
                before_flatten = None
            node("Gemm", constant(kernel), constant(own[1]))
            shape = (numbers[0],)
        elif kind == "conv_bias":
            filters, size, strides, padding = numbers
            low, high = same_padding(shape[0], size, strides) if padding == "same" else (0, 0)
            node("Conv", constant(own[0].transpose(3, 2, 0, 1)), constant(own[1]), pads=[low, low, high, high],
                 strides=[strides, strides])  # fmt: skip
            side = (shape[0] + low + high - size) // strides + 1
            shape = (side, side, filters)
        elif kind == "relu":
            node("Relu")
        elif kind == "max_pool":
            node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            shape = (shape[0] // 2, shape[1] // 2, shape[2])
        elif kind == "flatten":
            node("Flatten")
            before_flatten = shape
        else:
            raise NotOfferedError(f"no {kind} in the ONNX writer")
    given = network.input_shape
    given = (given[2], *given[:2]) if network.is_image else given
    inputs = [helper.make_tensor_value_info("v0", TensorProto.FLOAT, [batch, *given])]
    outputs = [helper.make_tensor_value_info(f"v{len(nodes)}", TensorProto.FLOAT, [batch, *shape])]
    graph = helper.make_graph(nodes, "network", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def predict(network: str, batch: int) -> Modes:
    net = NETWORKS[network]
    model = _model(net, batch)
    x = normal(batch, *net.input_shape)
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if net.is_image else x
    for threads in sorted({1, _threads}):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name, given = session.get_inputs()[0].name, {session.get_inputs()[0].name: x}

        def run(session: Any = session, given: dict[str, np.ndarray] = given) -> list[np.ndarray]:
            return list(session.run(None, given))

        yield Mode(f"run, threads {threads}", run, run)
        binding = session.io_binding()
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(x))
        binding.bind_output(session.get_outputs()[0].name)

        def bound(session: Any = session, binding: Any = binding) -> None:
            session.run_with_iobinding(binding)

        def result(bound: Any = bound, binding: Any = binding) -> list[np.ndarray]:
            bound()
            return list(binding.copy_outputs_to_cpu())

        yield Mode(f"bound, threads {threads}", bound, result)
