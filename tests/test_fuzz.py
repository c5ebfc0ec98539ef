"""Broken and hostile pictures: each is read or listed with a reason, whatever opens it. `make fuzz` tries 2,000."""

import json
import os
import subprocess
import sys
import warnings

import fuzz_images
import pytest

from fmlib.config import REPO
from fmlib.data import pictures


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))


def test_the_same_seed_makes_the_same_files():
    assert list(fuzz_images.mutants(30, 5)) == list(fuzz_images.mutants(30, 5))
    assert list(fuzz_images.mutants(30, 5)) != list(fuzz_images.mutants(30, 6))


def test_every_sound_picture_is_read(tmp_path):
    for name, content in fuzz_images.sound().items():
        (tmp_path / "picture").write_bytes(content)
        assert sorted(pictures.open_rgb(tmp_path / "picture").size) == [56, 63], name


def test_mutated_pictures_are_read_or_refused_with_a_reason(tmp_path):
    paths = fuzz_images.write(tmp_path / "set", 132, seed=1, with_bombs=False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Pillow's remarks on damaged metadata
        refused = fuzz_images.put_through(tmp_path / "set", paths)
    assert 40 < len(refused) < 120
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*")} == before


def test_a_large_picture_keeps_its_size_in_words_and_not_in_memory(tmp_path):
    (tmp_path / "large.png").write_bytes(fuzz_images.bomb(5_000, 1, 0, 1))
    image = pictures.open_rgb(tmp_path / "large.png")
    assert image.info["full_size"] == (5_000, 5_000)
    assert image.width * image.height <= pictures.LARGE


@pytest.mark.skipif(os.name != "posix", reason="limits memory the POSIX way")
@pytest.mark.slow
def test_bombs_in_threads_take_less_than_a_gigabyte():
    command = [sys.executable, "tests/fuzz_images.py", "--files", "110", "--seed", "2"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert json.loads(done.stdout)["files"] == 117
