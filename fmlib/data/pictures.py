"""Opening a picture file in the one way that everything here uses, and saying why one cannot be opened."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

PIXEL_LIMIT = 89_000_000  # just under Pillow's own guard against decompression bombs
BYTE_LIMIT = 256 * 2**20


class UnreadableError(ValueError):
    """A file that is no usable picture; the message is the reason."""


def open_rgb(source: Path | str | io.BytesIO) -> Image.Image:
    """Decode a picture fully to 8-bit RGB: first frame, EXIF rotation applied, transparency over white.

    Raises:
        UnreadableError: with the reason in words.
    """
    try:
        with Image.open(source) as image:
            _check_size(image)
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
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
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_deep(np.asarray(image, dtype=np.float64))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layers = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")
    return image.convert("RGB")


def _from_deep(values: np.ndarray) -> Image.Image:
    """Bring 16-bit, 32-bit or float grey values to 8 bits by the range that the values show they use."""
    top = np.nanmax(values, initial=0)
    full = next((limit for limit in (1, 255, 65535) if top <= limit), top)
    grey = np.nan_to_num(values * (255 / full)).clip(0, 255).round().astype(np.uint8)
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
