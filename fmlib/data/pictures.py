"""Opening a picture file in the one way that everything here uses, and saying why one cannot be opened."""

import io
import stat
from collections.abc import Iterator
from functools import cache
from math import ceil, sqrt
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

PIXEL_LIMIT = 50_000_000  # as the largest common cameras; decoding one takes some 400 MB
LARGE = 12_000_000  # px above which pictures are decoded one at a time and reduced at once
BAND = 2_000_000  # px that are converted at once
BYTE_LIMIT = 160 * 2**20
# what photographs come in; not everything that Pillow opens: for EPS it would start Ghostscript
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
NO_PICTURE = "not an image file"
_large = Lock()
Image.core.set_block_size(64 * 2**20)  # so large that malloc gives the memory of a large picture back at once


class UnreadableError(ValueError):
    """A file that is no usable picture; the message is the reason."""


@cache
def suffixes() -> frozenset[str]:
    """What the names of pictures end in, as `.jpg`; a file is opened whatever its name."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)


def open_rgb(source: Path | str | io.BytesIO) -> Image.Image:
    """Decode a picture fully to 8-bit RGB: first frame, EXIF rotation applied, transparency over white.

    A very large one is brought to at most `LARGE` pixels; its true size is then `info["full_size"]`.

    Args:
        source: a file's place, or its content.
    Raises:
        UnreadableError: with the reason in words.
    """
    if not isinstance(source, io.BytesIO):
        source = io.BytesIO(read_bytes(Path(source)))
    try:
        if _pixels(source) <= LARGE:
            return _upright_rgb(source)
        with _large:
            return _reduced(_upright_rgb(source))
    except UnreadableError:
        raise
    except UnidentifiedImageError:
        raise UnreadableError(NO_PICTURE) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableError(f"more than {PIXEL_LIMIT // 10**6} megapixels") from None
    except MemoryError:
        raise UnreadableError("too large for the memory") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError, ...
        raise UnreadableError(f"damaged: {str(error).strip() or type(error).__name__}") from error


def _pixels(source: io.BytesIO) -> int:
    """How many pixels a picture claims to have; UnreadableError if too many."""
    with Image.open(source, formats=FORMATS) as image:
        pixels = image.width * image.height
        if pixels > PIXEL_LIMIT:
            raise UnreadableError(
                f"more than {PIXEL_LIMIT // 10**6} megapixels ({image.width}x{image.height})"
            )
        return pixels


def _upright_rgb(source: io.BytesIO) -> Image.Image:
    with Image.open(source, formats=FORMATS) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)


def _reduced(image: Image.Image) -> Image.Image:
    small = image.reduce(ceil(sqrt(image.width * image.height / LARGE)))
    small.info["full_size"] = image.size
    return small


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert band by band: a whole copy of a picture at the limit takes 200 MB each time."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_deep(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        flat = Image.new("RGB", image.size, "white")
        for top, band in _bands(image):
            layers = band.convert("RGBA")
            flat.paste(layers, (0, top), mask=layers)
        return flat
    return image if image.mode == "RGB" else image.convert("RGB")


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield a picture in parts of all its width and about `BAND` pixels, each with its first row."""
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _from_deep(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit or float grey values to 8 bits by the range that they use."""
    top = max(float(_finite(band).max(initial=0)) for _, band in _bands(image))
    full = next((limit for limit in (1, 255, 65535) if top <= limit), top)
    flat = Image.new("RGB", image.size)
    for row, band in _bands(image):
        grey = np.rint(_finite(band) * (255 / full)).clip(0, 255).astype(np.uint8)
        flat.paste(Image.fromarray(grey).convert("RGB"), (0, row))
    return flat


def _finite(image: Image.Image) -> np.ndarray:
    """Return a grey picture's values, float32, with 0 for those that are none."""
    return np.nan_to_num(np.array(image, dtype=np.float32), copy=False, posinf=0, neginf=0)


def read_bytes(path: Path) -> bytes:
    """Content of a regular file within the size limit; UnreadableError otherwise."""
    try:
        status = path.stat()
        size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("not a regular file")
        if size == 0:
            raise UnreadableError("empty file (0 bytes)")
        if size > BYTE_LIMIT:
            raise UnreadableError(f"file of more than {BYTE_LIMIT // 2**20} MB")
        return path.read_bytes()
    except UnreadableError:
        raise
    except PermissionError:
        raise UnreadableError("no permission to read it") from None
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise UnreadableError("cannot be read: no file can have such a name") from None
