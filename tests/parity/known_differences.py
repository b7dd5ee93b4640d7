"""Which of Keras's own tests fail with nnfast, and why. A test that fails for no reason listed here is a defect, and so
is a reason for which no test fails any more.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import NamedTuple


class Known(NamedTuple):
    """A reason for which tests fail: those whose failure matches `message`, and those whose name matches `tests`."""

    why: str
    message: str | None = None
    tests: tuple[str, ...] = ()

    def covers(self, test: str, message: str) -> bool:
        """Whether the failure of `test` with `message` has this reason."""
        if self.message is not None and re.search(self.message, message):
            return True
        return any(fnmatchcase(test, pattern) for pattern in self.tests)


# What nnfast leaves out on purpose, and what no other library than Keras can pass. These are not counted.
NOT_COUNTED = [
    Known("there is one layout, channels last", r"expected data_format='channels_last'"),
    Known("there is one type of numbers, float32", r"float16|DTypePolicy|dtype_policy|'operations'"),
    Known(
        "there is no quantization and no adapters of low rank",
        r"no attribute '(quantize|enable_lora|_kernel)'|unknown lora_rank",
        ("layers/core/*_test.py::*::test_quantize_by_setting_dtype_policy_*",),
    ),
    Known(
        "there are no masks, and none of the layers for sequences that make them",
        r"unknown (mask_zero|synchronized)|unexpected keyword argument 'mask'",
        (
            "layers/core/embedding_test.py::EmbeddingTest::test_compute_mask_no_masking",
            "layers/core/lambda_layer_test.py::LambdaTest::test_lambda_basics",
            "layers/merging/*_with_mask",
            "layers/merging/*::test_concatenate_with_mask_symbolic",
            "layers/normalization/*::test_bachnorm_ignore_masked_values*",
            "losses/loss_test.py::LossTest::test_mask",
            "losses/loss_test.py::LossTest::test_mask_and_sample_weight",
            "losses/loss_test.py::LossTest::test_rank_adjustment_*",
            "models/*::test_basic_flow_as_a_submodel",
        ),
    ),
    Known("there is no batch renormalization", r"unknown renorm"),
    Known("RMS normalization is a layer of its own", r"unknown rms_scaling"),
    Known("there is no signal processing and no attention", r"STFT", ("*::test_mha_query_projection_variance",)),
    Known("tensors are dense, and inputs are never optional", r"unknown (sparse|ragged|optional)"),
    Known("images are enlarged without higher orders of interpolation", r"received '(lanczos3|bicubic)'"),
    Known("files are not Keras's", r"\.keras` zip file|no attribute '(load_own_variables|export)'"),
    Known("files hold no code, so that a lambda cannot be saved", r"a function with a name, which a file can hold"),
    Known("only JAX needs metrics and models without a state", r"no attribute '(stateless_|\w+_state_tree)"),
    Known("a loss belongs to one output, not to a structure of them", None, ("models/*_struct_losses*",)),
    Known("models are copied whole", r"clone_model\(\) got an unexpected", ("models/*::test_structured_io_cloning",)),
    Known("there are fewer optimizers", r"Unknown optimizer"),
    Known("the test reaches for private parts of Keras", r"no attribute '_\w+'|NumPy backend", ()),
    Known("an error has words of nnfast's own", r"""AssertionError: ["'].*["'] does not match ["']"""),
]  # fmt: skip

# Where nnfast could do what Keras does, and differs.
DIFFERENT = [
    Known(
        "targets that are no numbers are refused before training, not found by a callback in the loss",
        r"expected finite targets",
    ),
    Known("comparisons are Python's, not the backend's", r"<built-in function gt> != <function greater"),
    Known(
        "the error is of another type",
        None,
        (
            "layers/core/embedding_test.py::EmbeddingTest::test_invalid_*_dim",
            "models/model_test.py::ModelTest::test_functional_dict_outputs_dict_losses_invalid_keys",
            "models/model_test.py::ModelTest::test_functional_list_outputs_invalid_nested_list_losses",
            "models/sequential_test.py::SequentialTest::test_bad_layer",
        ),
    ),
    Known("a model is planned for one shape of samples", r"expected shape \(batch, 5, 7\); received \(2, 7, 5\)"),
    Known("there is nothing to train in a model without weights", r"expected weights to train; it has none"),
    Known(
        "a name stands for a loss object, not for a function",
        r"MeanSquaredError object at \w+> != <function mean_squared_error",
    ),
    Known("configurations hold all arguments", r"Missing entries: '(axis': 2|delta': 1.0)"),
    Known(
        "sums of metrics are float64, whatever numbers are given",
        r"must be 'float32' or 'int32', received 'int'",
        ("metrics/*::test_user_warning_float_weight",),
    ),
    Known(
        "a metric resets the variables that it made itself, and knows of no metrics inside it",
        None,
        ("metrics/metric_test.py::MetricTest::test_*_tracking",),
    ),
    Known("metrics take arrays, no symbolic tensors", None, ("metrics/*::test_weighted_dynamic_shape*",)),
    Known(
        "a model that begins inside another lists no layer for its input",
        None,
        ("models/functional_test.py::FunctionalTest::test_functional_slicing",),
    ),
    Known("inputs of another structure are taken without a warning", r"DID NOT WARN.*", ()),
    Known(
        "there is no InputSpec",
        None,
        (
            "models/functional_test.py::FunctionalTest::test_list_input_with_dict_build",
            "models/functional_test.py::FunctionalTest::test_manual_input_spec",
        ),
    ),
    Known("a step is planned as a whole, without a compute_loss of the user's", r"a model whose step nnfast plans"),
    Known("a sequential model has one input", r"received \(None, (\(3, 2\)|'b')\)"),
    Known(
        "a layer's shapes follow from its call",
        None,
        ("models/sequential_test.py::SequentialTest::test_shape_inference_failure",),
    ),
    Known("targets have the outputs' shape", r"expected targets of the outputs' shape"),
    Known("optimizers have no names of their own", None, ("optimizers/*::test_optimizer_auto_naming",)),
    Known("a gradient never replaces a weight", None, ("optimizers/*::test_overwrite_with_gradient",)),
]
