"""Training curves of convolutional networks: the same weights and batches in PyTorch give the same losses."""

import numpy as np
import pytest

import nnfast
from nnfast import layers, losses, optimizers

torch = pytest.importorskip("torch")
F = torch.nn.functional

STEPS, BATCH, CLASSES, EPSILON = 20, 16, 4, 1e-3


def make_batches(size, seed=0):
    """Noise, and in it a bright square whose corner tells the class."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(STEPS, BATCH, size, size, 3)).astype(np.float32)
    y = rng.integers(0, CLASSES, (STEPS, BATCH)).astype(np.int32)
    half = size // 2
    for i, label in np.ndenumerate(y):
        top, left = label // 2 * half, label % 2 * half
        x[i][top : top + half, left : left + half] += 1
    return x, y


class Peer:
    """The network in PyTorch, written from the same calls: it takes nnfast's weights in the order of their use."""

    def __init__(self, weights):
        self.parameters = [torch.tensor(w, requires_grad=True) for w in weights]
        self.running = []

    def begin(self):
        self.unused = iter(self.parameters)

    def conv(self, x, stride=1):
        kernel = next(self.unused).permute(3, 2, 0, 1)
        size, count = x.shape[-1], kernel.shape[-1]
        total = max((-(-size // stride) - 1) * stride + count - size, 0)
        before, after = total // 2, total - total // 2
        return F.conv2d(F.pad(x, (before, after, before, after)), kernel, stride=stride)

    def norm(self, x):
        gamma, beta = next(self.unused), next(self.unused)
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=EPSILON)

    def dense(self, x):
        kernel, bias = next(self.unused), next(self.unused)
        return x @ kernel + bias


def conv(filters, size=3, strides=1):
    return layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)


def norm():
    return layers.BatchNormalization(epsilon=EPSILON)


def cnn():
    inputs = layers.Input((12, 12, 3))
    x = inputs
    for filters in (8, 17):
        for _ in range(2):
            x = layers.Activation("relu")(norm()(conv(filters)(x)))
        x = layers.MaxPooling2D(2)(x)
    outputs = layers.Dense(CLASSES)(layers.Flatten()(x))

    def peer(net, x):
        for _ in range(2):
            for _ in range(2):
                x = torch.relu(net.norm(net.conv(x)))
            x = F.max_pool2d(x, 2)
        return net.dense(x.permute(0, 2, 3, 1).flatten(1))

    return inputs, outputs, peer


def resnet():
    inputs = layers.Input((12, 12, 3))
    x = layers.Activation("relu")(norm()(conv(16)(inputs)))
    for filters, strides in ((16, 1), (32, 2)):
        h = layers.Activation("relu")(norm()(conv(filters, 3, strides)(x)))
        h = norm()(conv(filters)(h))
        if strides > 1:
            x = norm()(conv(filters, 1, strides)(x))
        x = layers.Activation("relu")(layers.Add()([h, x]))
    outputs = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x))

    def peer(net, x):
        x = torch.relu(net.norm(net.conv(x)))
        for strides in (1, 2):
            h = torch.relu(net.norm(net.conv(x, strides)))
            h = net.conv(h)  # a model's weights stand by depth, those of both branches side by side
            if strides > 1:
                x = net.conv(x, strides)
            h = net.norm(h)
            if strides > 1:
                x = net.norm(x)
            x = torch.relu(h + x)
        return net.dense(x.mean((2, 3)))

    return inputs, outputs, peer


OPTIMIZERS = {
    "adam": (lambda: optimizers.Adam(1e-3, epsilon=1e-7), lambda p: torch.optim.Adam(p, 1e-3, eps=1e-7)),
    "momentum": (lambda: optimizers.SGD(0.02, momentum=0.9), lambda p: torch.optim.SGD(p, 0.02, momentum=0.9)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", [cnn, resnet])
def test_twenty_steps_agree_with_pytorch(network, optimizer):
    nnfast.utils.set_random_seed(1)
    inputs, outputs, forward = network()
    model = nnfast.Model(inputs, outputs)
    peer = Peer([w.numpy() for layer in model.layers for w in layer.trainable_weights])
    ours, theirs = OPTIMIZERS[optimizer]
    model.compile(ours(), losses.SparseCategoricalCrossentropy(from_logits=True))
    stepper = theirs(peer.parameters)
    x, y = make_batches(12)
    curve, expected = [], []
    for images, labels in zip(x, y, strict=True):
        curve.append(model.train_on_batch(images, labels))
        peer.begin()
        stepper.zero_grad()
        loss = F.cross_entropy(forward(peer, torch.from_numpy(images).permute(0, 3, 1, 2)), torch.tensor(labels).long())
        loss.backward()
        stepper.step()
        expected.append(loss.item())
    np.testing.assert_allclose(curve[:3], expected[:3], rtol=2e-4)
    np.testing.assert_allclose(curve, expected, rtol=5e-3)
    assert np.mean(curve[-5:]) < 0.8 * np.mean(curve[:5])  # it learns
    plan = model.plan(x[0], y[0])
    assert "batch_norm + relu" in plan
    assert ("batch_norm + add + relu" in plan) == (network is resnet)
    assert "fold_batch_norm" in model.plan(x[0])


@pytest.mark.parametrize("network", [cnn, resnet])
def test_predictions_use_the_moving_averages(network):
    """What is planned for predict, with its batch norm folded away, against the formula on NumPy arrays."""
    nnfast.utils.set_random_seed(2)
    inputs, outputs, forward = network()
    model = nnfast.Model(inputs, outputs)
    rng = np.random.default_rng(3)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in norms:
        size = layer.gamma.shape
        layer.set_weights(
            [rng.normal(size=size), rng.normal(size=size), rng.normal(size=size), rng.uniform(0.5, 2, size)]
        )

    class Inference(Peer):
        def norm(self, x):
            gamma, beta, mean, variance = (next(self.unused) for _ in range(4))
            return F.batch_norm(x, mean, variance, gamma, beta, training=False, eps=EPSILON)

    peer = Inference([w for layer in model.layers for w in layer.get_weights()])
    x = make_batches(12)[0][0]
    for rows in (16, 1):  # of one image the deepest layers have more weights than outputs
        peer.begin()
        with torch.no_grad():
            want = forward(peer, torch.from_numpy(x[:rows]).permute(0, 3, 1, 2)).numpy()
        found = model.predict_on_batch(x[:rows])
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=2e-5 * np.abs(want).max())
