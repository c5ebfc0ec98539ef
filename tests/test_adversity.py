"""The store under bad conditions: two writers at once, gone meanwhile, not writable, a clock that runs backwards."""

import json
import multiprocessing
import os
import shutil

import pytest

from fmlib import results
from fmlib.data import sources


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def photographs(folder):
    """A folder of small, distinct pictures."""
    from test_cli import photographs

    return photographs(folder)


def keep_writing(stage: str, met) -> None:
    """Store a stage's rows again and again, as one of two reports in the same store does."""
    rows = [results.row(stage, metric="images", value=number) for number in range(50)]
    for _ in range(100):
        met.wait(60)  # both write at the same time, every time
        results.store("context", stage, rows)
        results.write_csv("context", results.home() / "same.csv")


@pytest.mark.parametrize("stages", [("data", "data"), ("data", "metrics")], ids=["same stage", "two stages"])
def test_results_are_written_again_and_again_by_two_processes(own_home, stages):
    spawn = multiprocessing.get_context("spawn")
    met = spawn.Barrier(2)
    writers = [spawn.Process(target=keep_writing, args=(stage, met)) for stage in stages]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    for stage in stages:
        assert len(json.loads((own_home / "results" / "context" / f"{stage}.json").read_text())) == 50
    assert len((own_home / "same.csv").read_text().splitlines()) == 1 + 50 * len(set(stages))
    left = [path.name for path in own_home.rglob("*") if path.suffix in (".part", ".partial")]
    assert left == []


def test_a_store_that_is_removed_while_a_notebook_runs_is_made_anew(own_home, tmp_path):
    from fmlib.stage import Stage

    folder = str(photographs(tmp_path / "set"))
    stage = Stage("data", dataset=folder, profile="smoke", seed=0, external=[], out=tmp_path / "out")
    shutil.rmtree(own_home)
    stage.row(metric="images", value=8)
    stage.close()
    assert [row["value"] for row in results.collect(stage.context)] == [8]
    assert sources.load(folder, progress=False).fingerprint == stage.data.fingerprint


def test_a_store_that_cannot_be_written_is_said_before_any_kernel_starts(tmp_path, monkeypatch, capsys):
    from fmlib import cli, notebooks

    (tmp_path / "file").touch()
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr(notebooks, "execute", lambda *_, **__: pytest.fail("a kernel was started"))
    arguments = ["report", "--profile", "smoke", "--dataset", str(photographs(tmp_path / "set"))]
    assert cli.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err
    assert "FMLIB_HOME" in shown and "Traceback" not in shown and len(shown.splitlines()) == 1


def test_a_clock_that_was_moved_back_hides_no_change(own_home, tmp_path):
    folder = photographs(tmp_path / "set")
    first = sources.load(str(folder), progress=False)
    changed, other = folder / "WithMask" / "0.png", folder / "WithMask" / "1.png"
    shutil.copyfile(other, changed)
    os.utime(changed, (10**9, 10**9))  # written in 2001, says the clock
    second = sources.load(str(folder), progress=False)
    assert second.fingerprint != first.fingerprint
    assert second.manifest["sha256"].nunique() == len(second) - 1
