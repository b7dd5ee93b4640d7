import sys

import numpy as np
import pytest

import nnfast
from nnfast import callbacks, layers, plots

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    matplotlib.pyplot.close("all")


def history():
    record = callbacks.History()
    record.set_model(type("Model", (), {})())
    record.on_train_begin()
    record.on_epoch_end(0, {"loss": 3.0, "f1": np.ones(2)})
    record.on_epoch_end(1, {"loss": 2.0, "f1": np.ones(2), "val_loss": 2.5, "accuracy": 0.5})
    record.on_epoch_end(2, {"loss": 1.0, "f1": np.ones(2), "accuracy": 0.75})
    return record


def drawn(panel):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in panel.lines}


class TestHistory:
    def test_a_panel_for_each_figure(self):
        panels = history().plot()
        assert [panel.get_ylabel() for panel in panels] == ["loss", "accuracy"]
        assert drawn(panels[0]) == {"training": ([1, 2, 3], [3, 2, 1]), "validation": ([2], [2.5])}
        assert drawn(panels[1]) == {"training": ([2, 3], [0.5, 0.75])}

    def test_into_given_axes(self):
        _, axes = matplotlib.pyplot.subplots()
        panels = plots.plot_history({"loss": [2.0, 1.0], "val_loss": [3.0, 4.0]}, "loss", axes)
        assert panels[0] is axes
        assert drawn(axes) == {"training": ([1, 2], [2, 1]), "validation": ([1, 2], [3, 4])}

    def test_bad_requests(self):
        with pytest.raises(ValueError, match="expected figures among \\['loss', 'accuracy'\\]; received \\['los'\\]"):
            history().plot("los")
        with pytest.raises(ValueError, match="expected figures among \\[\\]; received none"):
            callbacks.History().plot()
        with pytest.raises(ValueError, match="axes: expected 2, one for each panel; received 1"):
            history().plot(axes=matplotlib.pyplot.subplots()[1])


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="matplotlib, which is not installed: pip install nnfast\\[plot\\]"):
        history().plot()


def branched():
    image, number = layers.Input((8, 8, 1)), layers.Input((5,))
    h = layers.Conv2D(16, 3, padding="same", activation="relu", name="first")(image)
    h = layers.Add()([layers.Conv2D(16, 3, padding="same")(h), h])
    wide = layers.Dense(4, "tanh", trainable=False)(number) * 2.0
    joined = layers.Concatenate()([layers.GlobalAveragePooling2D()(h), wide])
    return nnfast.Model([image, number], [layers.Dense(3)(joined), layers.Dense(1)(wide)])


def words(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_a_model_is_drawn_with_a_box_for_each_call(rankdir, tmp_path):
    axes = nnfast.utils.plot_model(branched(), tmp_path / "model.png", rankdir=rankdir)
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")
    expected = ["InputLayer"] * 2 + ["Conv2D"] * 2 + ["Dense"] * 3
    expected += ["Add", "multiply", "Concatenate", "GlobalAveragePooling2D"]
    assert sorted(words(axes)) == sorted(expected)
    boxes = [patch.get_window_extent() for patch in axes.patches if isinstance(patch, matplotlib.patches.Rectangle)]
    assert len(boxes) == len(expected)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    panel = axes.get_window_extent()
    assert all(panel.x0 <= box.x0 and box.x1 <= panel.x1 and panel.y0 <= box.y0 and box.y1 <= panel.y1 for box in boxes)
    # An arrow's head for each input of a call; the one that passes the convolution beside Add is bent.
    assert sum(getattr(text, "arrow_patch", None) is not None for text in axes.texts) == 11
    assert len(axes.lines) >= 1


def test_what_a_drawing_says_of_layers(tmp_path):
    axes = nnfast.utils.plot_model(
        branched(), None, show_shapes=True, show_layer_names=True, show_layer_activations=True, show_trainable=True
    )
    assert {"first", "relu", "tanh", "frozen", "(batch, 8, 8, 16)", "(batch, 20)"} <= set(words(axes))
    sequential = nnfast.Sequential([layers.Input((3,)), layers.Dense(2)])
    nnfast.utils.plot_model(sequential, tmp_path / "model.svg")
    assert "<svg" in (tmp_path / "model.svg").read_text()
    assert words(nnfast.utils.plot_model(sequential, None)) == ["InputLayer", "Dense"]


def test_models_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="plot_model: expected a functional model, or a sequential one whose input"):
        nnfast.utils.plot_model(nnfast.Sequential([layers.Dense(2)]))
    with pytest.raises(ValueError, match="expected rankdir 'TB' or 'LR'; received 'BT'"):
        nnfast.utils.plot_model(branched(), rankdir="BT")
