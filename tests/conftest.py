"""What several test modules share: a small rendered data set and a store of their own."""

import importlib
import os
from pathlib import Path

import pytest

from fmlib.config import REPO, DataConfig
from fmlib.data import sources


def pytest_configure():
    """Share the cores out where several processes run the tests, before any of them imports torch."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, os.cpu_count() // workers)))


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory):
    """A store for the whole session, so that what it holds is rendered once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def home(shared_home, monkeypatch):
    """Point FMLIB_HOME at the session's store."""
    monkeypatch.setenv("FMLIB_HOME", str(shared_home))
    return shared_home


def share_images(source: Path, target: Path) -> None:
    """Give the store `target` the rendered and decoded images of another, and none of its runs."""
    for name in ("data", "cache", "manifests"):
        (source / name).mkdir(exist_ok=True)
        (target / name).symlink_to(source / name)


@pytest.fixture
def own_home(shared_home, tiny, tmp_path, monkeypatch):
    """Point FMLIB_HOME at a store without runs, which shares the session's images."""
    share_images(shared_home, tmp_path)
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def tiny(home):
    """120 rendered images."""
    return sources.load("synthetic", images=120, seed=3, progress=False)


@pytest.fixture
def tiny_config(tiny):
    """The configuration that loads `tiny`."""
    return DataConfig("synthetic", 120, 3)


@pytest.fixture
def benchmark(monkeypatch):
    """Import a script of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(REPO / "benchmarks")
    return importlib.import_module
