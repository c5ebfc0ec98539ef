"""Opening a picture file in the one way that everything here uses, and saying why one cannot be opened."""

import io
from contextlib import nullcontext
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

PIXEL_LIMIT = 50_000_000  # as the largest common cameras; decoding one takes some 400 MB
LARGE = 12_000_000  # px above which pictures are decoded one at a time, whatever the number of threads
BYTE_LIMIT = 256 * 2**20
# what photographs come in; not everything that Pillow opens: for EPS it would start Ghostscript
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
_large = Lock()


class UnreadableError(ValueError):
    """A file that is no usable picture; the message is the reason."""


def open_rgb(source: Path | str | io.BytesIO) -> Image.Image:
    """Decode a picture fully to 8-bit RGB: first frame, EXIF rotation applied, transparency over white.

    Raises:
        UnreadableError: with the reason in words.
    """
    try:
        with Image.open(source, formats=FORMATS) as image:
            _check_size(image)
            with _large if image.width * image.height > LARGE else nullcontext():
                image.load()
                ImageOps.exif_transpose(image, in_place=True)
                return _to_rgb(image)
    except UnreadableError:
        raise
    except UnidentifiedImageError:
        raise UnreadableError("not an image file") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableError(f"more than {PIXEL_LIMIT // 10**6} megapixels") from None
    except MemoryError:
        raise UnreadableError("too large for the memory") from None
    except PermissionError:
        raise UnreadableError("no permission to read it") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError, ...
        raise UnreadableError(f"damaged: {str(error).strip() or type(error).__name__}") from error


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > PIXEL_LIMIT:
        raise UnreadableError(f"more than {PIXEL_LIMIT // 10**6} megapixels ({image.width}x{image.height})")


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert without a copy more than is needed: a picture at the limit takes 200 MB each time."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_deep(np.array(image, dtype=np.float32))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layers = image if image.mode == "RGBA" else image.convert("RGBA")
        flat = Image.new("RGB", layers.size, "white")
        flat.paste(layers, mask=layers)
        return flat
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_deep(values: np.ndarray) -> Image.Image:
    """Bring 16-bit, 32-bit or float grey values (changed in place) to 8 bits by the range that they use."""
    np.nan_to_num(values, copy=False, posinf=0, neginf=0)
    top = values.max(initial=0)
    full = next((limit for limit in (1, 255, 65535) if top <= limit), top)
    values *= 255 / full
    grey = np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def read_bytes(path: Path) -> bytes:
    """Content of a file within the size limit; UnreadableError otherwise."""
    try:
        size = path.stat().st_size
        if size == 0:
            raise UnreadableError("empty file (0 bytes)")
        if size > BYTE_LIMIT:
            raise UnreadableError(f"file of more than {BYTE_LIMIT // 2**20} MB")
        return path.read_bytes()
    except PermissionError:
        raise UnreadableError("no permission to read it") from None
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from None
