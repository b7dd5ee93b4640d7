"""What a command line names as DATA: the bundled digits, a CSV file or an NPZ file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Samples:
    """Data to learn from, or to answer.

    Attributes
    ----------
    x : numpy.ndarray of shape (n, …)
        Numbers, a sample a row.
    y : numpy.ndarray of shape (n,), or None
        The answers as they stand in the file, numbers or text.
    columns : list of str, or None
        The names of the columns of x, where the file has them.
    """

    x: np.ndarray
    y: np.ndarray | None
    columns: list[str] | None = None


def is_digits(data: str) -> bool:
    """Whether the bundled data set is meant, not a file of its name."""
    return data == "digits" and not Path(data).exists()


def read_samples(
    path: str, target: str | None = None, *, answers: bool = True, columns: list[str] | int | None = None
) -> Samples:
    """Read a CSV or NPZ file.

    Parameters
    ----------
    path : str
        The file; its ending tells the format.
    target : str, optional
        The column or array with the answers; by default the last column, or the array ``y``.
    answers : bool, default True
        Whether answers are wanted. Without, ``y`` is None.
    columns : list of str or int, optional
        The columns that a model was trained on, or their number: named ones are taken in this order, where the file
        names its columns too.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is of another kind, holds text or nothing where numbers are expected, or lacks a column or array.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        return _read_npz(path, target, answers)
    if suffix in {".csv", ".tsv", ".txt"}:
        return _read_csv(path, target, answers, columns)
    raise ValueError(f"expected 'digits', or a file ending in .npz, .csv, .tsv or .txt; received {path!r}")


def _read_npz(path: str, target: str | None, answers: bool) -> Samples:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy raises whatever zipfile, zlib and its own parser raise
        raise ValueError(f"{path}: not an NPZ file of plain arrays, or damaged ({error})") from error
    target = target or "y"
    for name in ["x", target] if answers else ["x"]:
        if name not in arrays:
            raise ValueError(f"{path}: expected an array {name!r}; the file holds {', '.join(arrays) or 'none'}")
    x = arrays["x"]
    if x.dtype.kind not in "biuf" or x.ndim < 2 or len(x) == 0:
        raise ValueError(
            f"{path}: expected x to hold numbers, of shape (samples, …) with at least one sample; "
            f"received type {x.dtype} and shape {x.shape}"
        )
    y = arrays[target] if answers else None
    if y is not None and y.shape != (len(x),):
        raise ValueError(f"{path}: expected {target} of shape ({len(x)},), one answer a sample; received {y.shape}")
    return Samples(x, y)


def _read_csv(path: str, target: str | None, answers: bool, columns: list[str] | int | None) -> Samples:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            rows = [row for row in csv.reader(file, delimiter=max(",;\t", key=first.count)) if row]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a table in text, UTF-8; received other bytes ({error.reason})") from error
    except csv.Error as error:
        raise ValueError(f"{path}: expected a table of cells; {error}") from error
    names = None
    if rows and not any(_is_number(cell) for cell in rows[0]):
        names = [name.strip() for name in rows.pop(0)]
    if not rows:
        raise ValueError(f"{path}: expected at least one row of data, received none")
    width = len(names or rows[0])
    for number, row in enumerate(rows, 2 if names else 1):
        if len(row) != width:
            raise ValueError(f"{path}, row {number}: expected {width} cells, as in the first row; received {len(row)}")

    chosen = list(range(width))
    y = None
    if answers:
        position = _target_position(path, target, names, width)
        chosen.remove(position)
        y = _to_numbers_if_all_are([row[position].strip() for row in rows])
    if isinstance(columns, list) and names is not None:
        missing = [name for name in columns if name not in names]
        if missing:
            raise ValueError(
                f"{path}: the model was trained on the columns {', '.join(columns)}; missing: {', '.join(missing)}"
            )
        chosen = [names.index(name) for name in columns]
    elif columns is not None and not answers:
        expected = columns if isinstance(columns, int) else len(columns)
        if len(chosen) == expected + 1:
            chosen.pop()  # the answers, which stand last
    x = np.empty((len(rows), len(chosen)), np.float32)
    for number, row in enumerate(rows):
        for j, position in enumerate(chosen):
            cell = row[position].strip()
            if not _is_number(cell):
                name = names[position] if names else str(position + 1)
                raise ValueError(
                    f"{path}, row {number + (2 if names else 1)}, column {name}: expected a number, received {cell!r}; "
                    "encode text as numbers and fill in what is missing first"
                )
            x[number, j] = float(cell)
    return Samples(x, y, [names[position] for position in chosen] if names else None)


def _target_position(path: str, target: str | None, names: list[str] | None, width: int) -> int:
    if target is None:
        position = width - 1
    elif names is not None and target in names:
        position = names.index(target)
    elif names is None and target.isdecimal() and 1 <= int(target) <= width:
        position = int(target) - 1
    else:
        known = ", ".join(names) if names else f"1 to {width}, as the first row names none"
        raise ValueError(f"{path}: no column {target!r}; there are: {known}")
    if width < 2:
        raise ValueError(f"{path}: expected columns to learn from beside the target; received one column")
    return position


def _to_numbers_if_all_are(cells: list[str]) -> np.ndarray:
    return np.array([float(cell) for cell in cells] if all(map(_is_number, cells)) else cells)


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False
