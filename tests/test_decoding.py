"""The decoded cache holds what the files hold."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmlib.data.decoding import decoded
from fmlib.errors import FmlibError
from fmlib.fingerprints import code_version


def test_decoded_is_every_image_at_its_row_and_is_made_once(tiny, home):
    array = decoded(tiny, 96)
    assert array.shape == (120, 96, 96, 3) and array.dtype == np.uint8 and not array.flags.writeable
    for row in (0, 57, 119):
        np.testing.assert_array_equal(array[row], np.asarray(tiny.open(row)))
    stamps = {path: path.stat().st_mtime_ns for path in (home / "cache").glob("*.npy")}
    decoded(tiny, 96)
    assert stamps == {path: path.stat().st_mtime_ns for path in (home / "cache").glob("*.npy")}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b")", b" ", 1))


def hold_fewer_images(path: Path) -> None:
    np.save(path, np.load(path)[:-1])


def hold_other_numbers(path: Path) -> None:
    np.save(path, np.load(path).astype(np.int8))


def hold_an_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, np.zeros(3))


@pytest.mark.parametrize(
    "harm", [cut, empty, spoil_the_header, hold_fewer_images, hold_other_numbers, hold_an_archive]
)
def test_a_damaged_cache_is_decoded_again_with_a_message(tiny, home, capfd, harm):
    expected = np.array(decoded(tiny, 20))
    (path,) = (home / "cache").glob(f"{tiny.fingerprint}-20-*.npy")
    harm(path)
    np.testing.assert_array_equal(decoded(tiny, 20), expected)
    message = capfd.readouterr().err
    assert path.name in message and "decoded again" in message
    decoded(tiny, 20)
    assert "again" not in capfd.readouterr().err


def test_what_was_decoded_by_other_code_is_decoded_anew(tiny, home):
    decoded(tiny, 33)
    version = code_version(("data/decoding.py", "data/pictures.py"))
    assert (home / "cache" / f"{tiny.fingerprint}-33-{version}.npy").exists()


def test_resizing_agrees_with_pillow(tiny):
    expected = np.asarray(tiny.open(5).resize((32, 32), Image.Resampling.BOX, reducing_gap=2.0))
    np.testing.assert_array_equal(decoded(tiny, 32)[5], expected)


def test_a_full_disk_stops_decoding_with_a_clear_error(tiny, home, monkeypatch):
    def full(descriptor, offset, length):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(FmlibError, match="no space is left"):
        decoded(tiny, 48)
    assert not {path.suffix for path in (home / "cache").glob("*-48-*")} - {".lock"}
