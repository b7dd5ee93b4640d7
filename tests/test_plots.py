import sys

import numpy as np
import pytest

from nnfast import callbacks, plots

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
