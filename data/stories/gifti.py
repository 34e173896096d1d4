"""GIFTI files that hold their own numbers: one may name any other file of the machine, or unpack without end."""

from __future__ import annotations

import base64
import math
import zlib
from pathlib import Path
from typing import Any

from data.errors import BrainLensError, first_line
from data.limits import within

__all__ = ["read_gifti"]

_PLAIN = ("ASCII", "Base64Binary", "GIFTI_ENCODING_ASCII", "GIFTI_ENCODING_B64BIN", "B64BIN")
_PACKED = ("GZipBase64Binary", "GIFTI_ENCODING_B64GZ", "B64GZ")
"""Encodings in which the numbers stand in the file itself; of all others none is read."""


def read_gifti(path: Path) -> Any:
    """The image of a GIFTI file, as nibabel has it.

    Raises
    ------
    BrainLensError
        For a file that names others (``ExternalFileBinary``), unpacks to more than it announces or to far more than it holds,
        or is none.
    """
    try:
        from nibabel import GiftiImage
    except ImportError:
        raise BrainLensError(
            f"{path.name} is read by the package nibabel", remedy="pip install 'brainlens[brain]'"
        ) from None
    content = path.read_bytes()
    try:
        within(path, _looked_through(path, content))
        image: Any = GiftiImage.from_bytes(content)  # without a folder in which others could lie
        [array.data.shape for array in image.darrays]
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # expat, zlib, base64, numpy and nibabel each raise their own
        raise BrainLensError(
            f"{path.name} cannot be read: {first_line(error)}",
            remedy="Copy or convert the file again",
        ) from None
    return image


def _looked_through(path: Path, content: bytes) -> int:
    """Bytes that all arrays announce, none of which lies elsewhere or unpacks to more."""
    from xml.parsers import expat

    parser, found = expat.ParserCreate(), _Arrays(path)
    parser.buffer_text = True
    parser.StartElementHandler = found.begins
    parser.CharacterDataHandler = found.text
    parser.EndElementHandler = found.ends
    parser.Parse(content, True)
    return found.announced


class _Arrays:
    """What a parser tells of the arrays of a file, looked at one after the other."""

    def __init__(self, path: Path):
        self._path, self._size, self._packed, self._inside = path, 0, False, False
        self._said: list[str] = []
        self.announced = 0

    def begins(self, name: str, attributes: dict[str, str]) -> None:
        """An element."""
        if name == "DataArray":
            self._array(attributes)
        self._inside, self._said = name == "Data", []

    def text(self, said: str) -> None:
        """Characters, those of an array kept."""
        if self._inside:
            self._said.append(said)

    def ends(self, name: str) -> None:
        """The end of an element: numbers that are packed are unpacked, no further than they announce."""
        if name == "Data" and self._packed:
            packed = base64.b64decode("".join(self._said).encode("ascii"))
            if len(zlib.decompressobj().decompress(packed, self._size + 1)) > self._size:
                raise BrainLensError(
                    f"{self._path.name}: an array of {self._size:,} bytes unpacks to more: it was not read",
                    remedy="Write it again",
                )
        self._inside, self._said = False, []

    def _array(self, attributes: dict[str, str]) -> None:
        from nibabel.nifti1 import data_type_codes

        encoding = attributes.get("Encoding", "")
        if encoding not in (*_PLAIN, *_PACKED):
            other = attributes.get("ExternalFileName", "")
            where = f", in the file {other!r}" if other else ""
            raise BrainLensError(
                f"{self._path.name}: an array is not in the file itself ({encoding or 'no encoding'}{where}): it was not read",
                remedy="Write a GIFTI file that holds its own data (GZipBase64Binary)",
            )
        count = int(attributes.get("Dimensionality", 0))
        dims = [int(attributes[f"Dim{place}"]) for place in range(min(count, 6))]
        if min(dims, default=0) < 0:
            raise ValueError(f"dimensions {dims}")
        kind: Any = data_type_codes.dtype[attributes.get("DataType", "NIFTI_TYPE_FLOAT32")]
        self._size = math.prod(dims) * kind.itemsize
        self._packed = encoding in _PACKED
        self.announced += self._size
        within(self._path, self.announced)
