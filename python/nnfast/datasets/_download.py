"""Files from the network: downloaded once, checked by their SHA-256, kept.

Imported where it is used: what it imports itself takes longer than the rest of nnfast.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import urllib.request
from pathlib import Path

_SECONDS_WITHOUT_DATA = 30


def cache_folder() -> Path:
    """Return the folder for downloaded files: ``$NNFAST_CACHE``, or nnfast's folder in the user's cache."""
    own = os.environ.get("NNFAST_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nnfast"


def fetch(url: str, sha256: str, folder: str) -> Path:
    """Return the path of a file's copy in the cache, downloading it where there is none.

    Parameters
    ----------
    url : str
        Where the file is.
    sha256 : str
        The checksum that it must have, in hexadecimal.
    folder : str
        Its folder in the cache, the name of the data set.

    Raises
    ------
    OSError
        If there is no copy and the download fails; it says where to put a file fetched by other means.
    ValueError
        If the file has another checksum; nothing is kept then.
    """
    path = cache_folder() / folder / url.rsplit("/", 1)[1]
    if path.exists():
        if _sha256(path) == sha256:
            return path
        path.unlink()  # an older version, or damaged
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under a name of its own until it is complete, so that two processes do not write into each other's file.
    descriptor, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            try:
                with urllib.request.urlopen(url, timeout=_SECONDS_WITHOUT_DATA) as response:
                    shutil.copyfileobj(response, file)
            except OSError as error:
                raise OSError(
                    f"could not download {url} ({error}). Connect to the network, or fetch the file elsewhere "
                    f"and put it at {path}"
                ) from error
        received = _sha256(partial)
        if received != sha256:
            raise ValueError(
                f"{url}: expected a file with SHA-256 {sha256}, received {received}. The download was damaged or "
                "the file has changed: try again, or look at the data set's home page"
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
