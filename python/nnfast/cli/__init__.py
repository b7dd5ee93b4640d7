"""The command ``nnfast``: train, evaluate and use networks without writing a program."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .info import info
from .train import train
from .use import evaluate, predict

__all__ = ["main"]

_DATA = (
    "'digits' (part of nnfast), a CSV file (its first row names the columns if it holds no number), or an NPZ file "
    "with the arrays x and y"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``nnfast``; by default what the process was started with.

    Returns
    -------
    int
        The exit code: 0, or 1 after an error, which is printed in one line, or 130 if interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, e.g. `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ImportError, OSError, ValueError) as error:
        reason = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            reason = f"{error.filename}: {error.strerror}"
        print(f"nnfast {options.command}: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nnfast", description="Neural networks on the CPU.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    command = commands.add_parser("train", help="train a network, test it and save it")
    command.set_defaults(run=train)
    command.add_argument("data", metavar="DATA", help=_DATA)
    _add_target(command)
    command.add_argument(
        "--task",
        choices=["auto", "classification", "regression"],
        default="auto",
        help="what to learn; auto: classes if the target is text or at most 20 whole numbers (default)",
    )
    command.add_argument(
        "--model", choices=["mlp", "cnn"], default="mlp", help="dense layers (default), or convolutions for images"
    )
    command.add_argument("--epochs", type=_positive, default=50, help="passes over the data (default: %(default)s)")
    command.add_argument("--batch-size", type=_positive, default=32, help="samples a step (default: %(default)s)")
    command.add_argument(
        "--learning-rate",
        type=_positive_number,
        default=3e-3,
        help="of Adam at the start; it falls to 0 along a cosine (default: %(default)s)",
    )
    command.add_argument(
        "--test-size", type=float, default=0.2, help="fraction of the data to test with (default: %(default)s)"
    )
    command.add_argument(
        "--seed", type=int, default=0, help="of the weights and of the order of the samples (default: %(default)s)"
    )
    command.add_argument("--out", metavar="FILE", help="where to save the model (default: DATA-MODEL.safetensors)")

    command = commands.add_parser("evaluate", help="measure a saved model on data with known answers")
    command.set_defaults(run=evaluate)
    command.add_argument("model", metavar="MODEL", help="a file saved by `nnfast train`, or by model.save")
    command.add_argument("data", metavar="DATA", help=_DATA + "; of digits, the part held out for testing")
    _add_target(command)

    command = commands.add_parser("predict", help="print a saved model's answers as CSV, one row a sample")
    command.set_defaults(run=predict)
    command.add_argument("model", metavar="MODEL", help="a file saved by `nnfast train`, or by model.save")
    command.add_argument("data", metavar="DATA", help=_DATA + "; answers in it are not looked at")
    command.add_argument("--out", metavar="FILE", help="write there instead of printing")

    command = commands.add_parser("info", help="print version, compiler, instruction set and threads, and why those")
    command.set_defaults(run=info)
    return parser


def _add_target(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--target", metavar="NAME", help="the column (default: the last) or array (default: y) with the answers"
    )


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, received {text}")
    return value


def _positive_number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, received {text}")
    return value
