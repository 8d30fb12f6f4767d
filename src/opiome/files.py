"""Files that are there whole or not at all, whatever stops the program while it writes them."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["whole", "write_text"]


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to; what was written there is moved to ``path`` at the end.

    A file of that name stays as it was until then, and for good where the block ends with an error; the part
    is removed. Two processes may write the same file: the last one to end wins, and both are whole. The data
    are on the disk before the move, so that a loss of power leaves the old file or the new one.

    Raises:
        OSError: the folder is not there or cannot be written, or the disk is full.
    """
    target = Path(path).resolve()  # a link stays one
    if target.exists() and not target.is_file():
        yield target  # a device or a pipe takes what it is given; a folder says that it is one
        return
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield part
        with part.open("r+b") as stream:
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write ``text`` in UTF-8 with its line ends as they are, whole or not at all; returns the path.

    Raises:
        OSError: as :func:`whole`.
    """
    with whole(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
    return Path(path)
