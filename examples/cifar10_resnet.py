"""A residual network on CIFAR-10, with random flips and shifts of its images.

python examples/cifar10_resnet.py                 # downloads 162 MB on first use
python examples/cifar10_resnet.py --data FOLDER   # the binary version of CIFAR-10, unpacked there
python examples/cifar10_resnet.py --synthetic     # a few generated images: seconds, and no network needed

The network is ResNet-20 of He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015, section 4.2.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import nnfast
from nnfast import layers


def normalized(x):
    """Batch normalization whose running averages follow within tens of steps."""
    return layers.BatchNormalization(momentum=0.9)(x)


def block(x, filters: int, strides: int):
    """Two convolutions beside a shortcut, which is a convolution too where the shape changes."""
    y = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    y = layers.ReLU()(normalized(y))
    y = normalized(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
    if strides != 1 or x.shape[-1] != filters:
        x = normalized(layers.Conv2D(filters, 1, strides, use_bias=False)(x))
    return layers.ReLU()(layers.Add()([x, y]))


def resnet(blocks: int, classes: int = 10) -> nnfast.Model:
    """Three groups of blocks, of 16, 32 and 64 filters: 6 · blocks + 2 layers with weights on the longest way."""
    images = layers.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(images)
    x = layers.RandomFlip("horizontal")(x)
    x = layers.RandomTranslation(1 / 8, 1 / 8, fill_mode="constant")(x)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(normalized(x))
    for filters in (16, 32, 64):
        for i in range(blocks):
            x = block(x, filters, 2 if i == 0 and filters > 16 else 1)
    return nnfast.Model(images, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def synthetic(samples: int, seed: int):
    """Stripes in one of ten pairs of colour and direction, under noise."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 10, samples).astype(np.int32)
    colour = np.stack([np.cos(classes % 5 * 1.26 + shift) for shift in (0, 2.1, 4.2)], axis=-1)
    rows, columns = np.mgrid[:32, :32]
    along = np.where((classes < 5)[:, None, None], rows, columns)
    stripes = np.sin(along * 0.8 + rng.uniform(0, 6.28, (samples, 1, 1)))
    images = 128 + 60 * stripes[..., None] * colour[:, None, None] + 40 * colour[:, None, None]
    images += rng.normal(0, 20, images.shape)
    return images.clip(0, 255).astype(np.uint8), classes


def load(options: argparse.Namespace):
    """Return the images and classes to train on, and those to test with."""
    if options.synthetic:
        return synthetic(512, 0), synthetic(256, 1)
    if options.data is not None:
        batches = [nnfast.data.read_cifar10(options.data / f"data_batch_{i}.bin") for i in range(1, 6)]
        x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return (x, y), nnfast.data.read_cifar10(options.data / "test_batch.bin")
    return nnfast.datasets.cifar10.load_data()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, help="passes over the data (default: 30; 3 of the generated images)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where data_batch_1.bin … and test_batch.bin are")
    parser.add_argument("--synthetic", action="store_true", help="generated images in place of CIFAR-10")
    options = parser.parse_args()
    epochs = options.epochs if options.epochs is not None else 3 if options.synthetic else 30
    try:
        (x, y), (x_test, y_test) = load(options)
    except (OSError, ValueError) as error:
        parser.exit(1, f"CIFAR-10 is not at hand: {error}\nTo try the network on generated images: --synthetic\n")

    nnfast.utils.set_random_seed(0)
    model = resnet(blocks=1 if options.synthetic else 3)
    batch_size = 32 if options.synthetic else 128
    steps = epochs * -(-len(x) // batch_size)
    rate = nnfast.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=0.1, warmup_steps=max(1, steps // 10))
    model.compile(
        nnfast.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4),
        nnfast.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    print(f"{model.count_params():,} weights, {len(x):,} images to train on, {len(x_test):,} to test with")
    began = time.perf_counter()
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=2)
    seconds = time.perf_counter() - began
    figures = model.evaluate(x_test, y_test, batch_size=256, verbose=0, return_dict=True)
    print(f"test accuracy {figures['accuracy']:.4f}, trained in {seconds:.1f} s")


if __name__ == "__main__":
    main()
