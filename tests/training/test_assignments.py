"""Variables that a step assigns to: what is read before and after, and what the gradient is computed from."""

import numpy as np

import nnfast
from nnfast import layers, ops

ONES = np.ones((4, 3), np.float32)
ZEROS = np.zeros((4, 1), np.float32)


class Doubling(layers.Layer):
    """Returns `function(inputs, variable, assign)`, where `assign` makes the variable twice as large plus 1."""

    def __init__(self, function, shape=(1,), **kwargs):
        super().__init__(**kwargs)
        self.function = function
        self.variable_shape = shape

    def build(self, input_shape):
        self.doubled = self.add_weight(self.variable_shape, "ones", trainable=False, name="doubled")

    def call(self, inputs):
        return self.function(inputs, self.doubled, lambda: self.doubled.assign(self.doubled * 2 + 1))


def linear_model(function):
    model = nnfast.Sequential(
        [layers.Input((3,)), layers.Dense(1, use_bias=False, kernel_initializer="ones"), Doubling(function)]
    )
    model.compile(nnfast.optimizers.SGD(1.0), "mse")
    return model


def gradient_of_step(model):
    """Return what one step of rate 1 takes from the first kernel, one entry of it; all must be equal."""
    before = model.layers[0].get_weights()[0]
    model.train_on_batch(ONES, ZEROS)
    taken = before - model.layers[0].get_weights()[0]
    assert np.all(taken == taken[0])
    return float(taken[0, 0])


def test_batch_normalization_used_twice_averages_both():
    normalize = layers.BatchNormalization(momentum=0.5)
    inputs = layers.Input((3,))
    dense = layers.Dense(3)
    outputs = layers.Add()([normalize(inputs), normalize(dense(inputs))])
    model = nnfast.Model(inputs, outputs)
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(2, size=(64, 3)).astype(np.float32)
    kernel, bias = dense.get_weights()
    model.train_on_batch(x, np.zeros((64, 3), np.float32))
    mean, variance = np.zeros(3), np.ones(3)
    for batch in (x, x @ kernel + bias):
        mean = 0.5 * mean + 0.5 * batch.mean(0)
        variance = 0.5 * variance + 0.5 * batch.var(0)
    np.testing.assert_allclose(normalize.moving_mean, mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(normalize.moving_variance, variance, rtol=1e-4)


def test_gradient_is_of_what_was_read_before_the_assignment():
    def function(inputs, variable, assign):
        outputs = inputs * variable
        assign()
        return outputs

    model = linear_model(function)
    assert gradient_of_step(model) == 2 * 3 * 1 * 1  # d (3·w·1)² / dw at w = 1
    np.testing.assert_array_equal(model.layers[1].doubled, [3])


def test_read_after_the_assignment_gives_the_new_value():
    def function(inputs, variable, assign):
        assign()
        return inputs * variable

    model = linear_model(function)
    np.testing.assert_array_equal(model.predict_on_batch(ONES), np.full((4, 1), 9))
    assert gradient_of_step(model) == 2 * (3 * 7) * 7  # the prediction assigned 3, the step 7
    np.testing.assert_array_equal(model.layers[1].doubled, [7])


def test_assignments_follow_one_another():
    def function(inputs, variable, assign):
        assign()
        assign()
        variable.assign_add(np.ones(1, np.float32))
        return inputs

    model = linear_model(function)
    model.train_on_batch(ONES, ZEROS)
    np.testing.assert_array_equal(model.layers[1].doubled, [8])


def test_view_read_before_keeps_the_old_value_as_output_and_in_another_variable():
    class Model(nnfast.Model):
        def __init__(self):
            super().__init__()
            self.inner = Doubling(self.read, shape=(4, 1))
            self.copy = self.add_weight((2, 2), "zeros", trainable=False, name="copy")

        def read(self, inputs, variable, assign):
            old = ops.reshape(variable, (2, 2))
            assign()
            self.copy.assign(old)
            return ops.reshape(old, (4, 1))

        def call(self, inputs):
            return self.inner(inputs)

    model = Model()
    for expected in (1, 3, 7):
        np.testing.assert_array_equal(model.predict_on_batch(ONES), np.full((4, 1), expected))
        np.testing.assert_array_equal(model.copy, np.full((2, 2), expected))
        np.testing.assert_array_equal(model.inner.doubled, np.full((4, 1), 2 * expected + 1))


def test_integer_variable_counts():
    class Counter(layers.Layer):
        def build(self, input_shape):
            self.count = self.add_weight((), "zeros", dtype="int32", trainable=False, name="count")

        def call(self, inputs):
            self.count.assign_add(1)
            return inputs

    model = nnfast.Sequential([layers.Input((3,)), Counter(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((40, 3), np.float32), np.zeros((40, 1), np.float32), batch_size=8, epochs=2, verbose=0)
    assert model.layers[0].count.numpy() == 10
    assert model.layers[0].count.numpy().dtype == np.int32


def test_loss_that_is_a_weight_is_read_before_the_update():
    class Weight(layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight((), "ones", name="scale")

        def call(self, inputs):
            self.add_loss(self.scale)
            return inputs

    model = nnfast.Sequential([layers.Input((3,)), Weight()])
    model.compile(nnfast.optimizers.SGD(0.25))
    assert [model.train_on_batch(ONES, ZEROS) for _ in range(3)] == [1.0, 0.75, 0.5]


def test_constraint_is_of_the_updated_weight_though_a_call_assigned_it():
    class Assigned(layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight((1,), "ones", constraint="non_neg", name="scale")

        def call(self, inputs):
            self.scale.assign(self.scale * 2)
            return inputs * self.scale

    model = nnfast.Sequential([layers.Input((1,)), Assigned()])
    model.compile(nnfast.optimizers.SGD(0.125), "mse")
    model.train_on_batch(np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32))
    # The weight becomes 2; the gradient of (2·w)² at w = 1 is 8.
    np.testing.assert_array_equal(model.layers[0].scale, [1])
