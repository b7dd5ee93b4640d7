"""Files: what is saved is what is loaded, and bad files are refused in words."""

import copy
import json
import pickle
import struct

import numpy as np
import pytest

import nnfast
from nnfast import layers, losses, optimizers

rng = np.random.default_rng(0)
x = rng.normal(size=(20, 6)).astype(np.float32)
y = rng.integers(0, 3, 20)


def make_functional():
    a = layers.Input((6,), name="a")
    h = layers.Dense(5, activation="relu", name="h")(a)
    out = layers.Dense(3, name="out")(layers.Concatenate()([h, a * 2.0]))
    return nnfast.Model(a, out, name="net")


def make_sequential():
    return nnfast.Sequential(
        [layers.Input((6,)), layers.Dense(5, activation="tanh"), layers.Dropout(0.1), layers.Dense(3)]
    )


@pytest.mark.parametrize("make", [make_functional, make_sequential])
def test_round_trip(make, tmp_path):
    model = make()
    model.compile(optimizers.Adam(0.01), losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(x, y, verbose=0)
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = nnfast.load_model(path)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    assert again.optimizer.iterations == model.optimizer.iterations == 1
    assert again.get_config() == model.get_config()


def test_weights_that_do_not_fit_are_skipped(tmp_path):
    model = make_sequential()
    model.save_weights(tmp_path / "w.safetensors")
    head = [layers.Dense(2, name="head"), layers.Dense(1, name="last")]
    other = nnfast.Sequential([layers.Input((6,)), layers.Dense(5, activation="tanh"), layers.Dropout(0.1), *head])
    before = other.get_weights()
    with pytest.raises(ValueError, match="expected 6 weights"):
        other.load_weights(tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match="in place of last/kernel, last/bias, head/kernel, head/bias; these keep"):
        other.load_weights(tmp_path / "w.safetensors", skip_mismatch=True)
    for i, weight in enumerate(other.get_weights()):
        np.testing.assert_array_equal(weight, (model.get_weights() if i < 2 else before)[i])
    make_sequential().load_weights(tmp_path / "w.safetensors", skip_mismatch=True)  # nothing to warn of


def test_weights_only(tmp_path):
    model, other = make_sequential(), make_sequential()
    model.save_weights(tmp_path / "w.safetensors")
    other.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(ValueError, match="holds weights only"):
        nnfast.load_model(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="expected 2 weights, as the model has; received 4"):
        nnfast.Sequential([layers.Input((6,)), layers.Dense(3)]).load_weights(tmp_path / "w.safetensors")


def test_no_half_written_file_is_left(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    make_sequential().save(path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        make_sequential().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_overwrite_is_asked_for(tmp_path):
    path = tmp_path / "m.safetensors"
    make_sequential().save(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        make_sequential().save(path, overwrite=False)


def test_a_bit_that_has_changed(tmp_path):
    model = make_sequential()
    path = tmp_path / "m.safetensors"
    model.save(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for read in (nnfast.load_model, model.load_weights):
        with pytest.raises(ValueError, match="numbers are damaged: expected the checksum .{8}; received .{8};"):
            read(path)


def test_damaged_files(tmp_path):
    path = tmp_path / "m.safetensors"
    make_sequential().save(path)
    whole = path.read_bytes()
    with pytest.raises(FileNotFoundError, match="no such file"):
        nnfast.load_model(tmp_path / "absent.safetensors")
    for cut in (0, 4, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="damaged, cut short or of another kind"):
            nnfast.load_model(path)
    path.write_bytes(b"\xff" * len(whole))
    with pytest.raises(ValueError, match="damaged"):
        nnfast.load_model(path)


def with_metadata(whole, change):
    """The same file with other metadata."""
    (size,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + size])
    content = json.loads(header["__metadata__"]["nnfast"])
    header["__metadata__"]["nnfast"] = change(content)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + whole[8 + size :]


def test_other_metadata(tmp_path):
    path = tmp_path / "m.safetensors"
    make_sequential().save(path)
    whole = path.read_bytes()
    path.write_bytes(with_metadata(whole, lambda content: json.dumps({**content, "format": 99})))
    with pytest.raises(ValueError, match="format 1 or older; received 99"):
        nnfast.load_model(path)
    path.write_bytes(with_metadata(whole, lambda content: "{"))
    with pytest.raises(ValueError, match="metadata are damaged"):
        nnfast.load_model(path)
    content_of = {"class_name": "Hexagon", "config": {}}
    path.write_bytes(with_metadata(whole, lambda content: json.dumps({**content, "model": content_of})))
    with pytest.raises(ValueError, match="Unknown layer 'Hexagon'"):
        nnfast.load_model(path)


def parts_of(content, before=()):
    """The path to every value of nested dictionaries and lists."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*before, key)
        yield from parts_of(value, (*before, key))


@pytest.mark.parametrize("value", [None, "x", -1, 1e30, [], [None], {"a": 1}, "missing"])
def test_every_part_of_the_metadata_changed(value, tmp_path):
    path = tmp_path / "m.safetensors"
    model = make_functional()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(x, np.zeros((20, 3)), verbose=0)
    model.save(path)
    whole = path.read_bytes()
    found = []
    with_metadata(whole, lambda content: found.extend(parts_of(content)) or json.dumps(content))
    refused = 0
    for place in found:

        def change(content, place=place):
            holder = content
            for key in place[:-1]:
                holder = holder[key]
            if value == "missing":
                del holder[place[-1]]
            else:
                holder[place[-1]] = value
            return json.dumps(content)

        path.write_bytes(with_metadata(whole, change))
        try:
            nnfast.load_model(path)
        except ValueError:
            refused += 1
    assert refused > len(found) // 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "metadata are damaged"),
        (json.dumps({"format": 1, "model": {"class_name": "Dense", "config": {"units": 2}}}), "describes a Dense"),
        (json.dumps({"format": 1, "model": {"class_name": "Dense", "config": {}}}), "TypeError: .*the file is damaged"),
    ],
)
def test_metadata_of_something_else(text, message, tmp_path):
    path = tmp_path / "m.safetensors"
    make_sequential().save(path)
    path.write_bytes(with_metadata(path.read_bytes(), lambda content: text))
    with pytest.raises(ValueError, match=message):
        nnfast.load_model(path)


class Doubling(layers.Layer):
    def call(self, inputs):
        return inputs * 2.0


class TwoLayers(nnfast.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.doubled, self.out = layers.Dense(5, "tanh"), Doubling(), layers.Dense(3)

    def call(self, inputs):
        return self.out(self.doubled(self.hidden(inputs)))


def make_own():
    inputs = layers.Input((6,))
    return nnfast.Sequential([inputs, Doubling(), layers.Dense(3, kernel_regularizer="l2")])


def squares(y_true, y_pred):
    return nnfast.ops.mean(nnfast.ops.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize("make", [make_functional, make_sequential, make_own, TwoLayers])
@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_train_on_as_the_model_does(make, copied):
    model = make()
    targets = np.eye(3)[y]
    model.compile("adam", squares, metrics=["mae", squares])
    model.fit(x, targets, epochs=2, verbose=0)
    again = copied(model)
    assert again.optimizer.iterations == model.optimizer.iterations == 2
    before = model.get_weights()
    again.fit(x, targets, epochs=2, verbose=0)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)
    model.fit(x, targets, epochs=2, verbose=0)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_first_call_that_fails_leaves_no_trace_in_the_file(tmp_path):
    model = TwoLayers()
    with pytest.raises(ValueError, match="expected input"):
        model(x[:, 0])
    model(x)
    model.save(tmp_path / "m.safetensors")
    own = {"TwoLayers": TwoLayers, "Doubling": Doubling}
    again = nnfast.load_model(tmp_path / "m.safetensors", custom_objects=own)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_model_with_a_call_is_built_with_its_weights(tmp_path):
    model = TwoLayers()
    with pytest.raises(TypeError):
        model.build(3)
    with pytest.raises(ValueError, match="expected input"):
        model.build((None,))
    assert not model.built
    model.build((None, 6))
    assert [weight.shape for weight in model.weights] == [(6, 5), (5,), (5, 3), (3,)]
    model.save(tmp_path / "m.safetensors")
    own = {"TwoLayers": TwoLayers, "Doubling": Doubling}
    again = nnfast.load_model(tmp_path / "m.safetensors", custom_objects=own)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))

    class Joined(nnfast.Model):
        def build(self, input_shape):
            self.out = layers.Dense(2)
            super().build(input_shape)

        def call(self, inputs):
            return self.out(layers.Concatenate()(inputs))

    model = Joined()
    model.build([(None, 6), (None, 2)])
    assert [weight.shape for weight in model.weights] == [(8, 2), (2,)]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_parts(copied):
    model = make_sequential()
    model.compile("sgd", "mse")
    history = model.fit(x, np.eye(3)[y], verbose=0)
    assert copied(history).history == history.history
    layer = copied(model.layers[0])
    np.testing.assert_array_equal(layer(x), model.layers[0](x))
    layer.set_weights([weight * 0 for weight in layer.get_weights()])
    assert np.abs(model.layers[0].get_weights()[0]).max() > 0
    assert not copied(TwoLayers()).built


def test_custom_objects(tmp_path):
    model = nnfast.Sequential([layers.Input((6,)), Doubling(), layers.Dense(2)])
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="Unknown layer 'Doubling'"):
        nnfast.load_model(tmp_path / "m.safetensors")
    model.compile("sgd", squares)
    model.save(tmp_path / "m.safetensors")
    own = {"Doubling": Doubling, "squares": squares}
    again = nnfast.load_model(tmp_path / "m.safetensors", custom_objects=own)
    again.fit(x, np.eye(2)[y // 2], verbose=0)
    again = nnfast.load_model(tmp_path / "m.safetensors", custom_objects=own)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_model_without_weights_yet():
    with pytest.raises(ValueError, match="has no weights yet"):
        nnfast.Sequential([layers.Dense(2)]).save("unused.safetensors")
