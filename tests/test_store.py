"""What is damaged is set aside and made again; a full disk is named; runs are listed, compared and pruned."""

import contextlib
import errno
import json
import os
import pickle
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import safetensors.torch
import torch
from conftest import share_images
from filelock import FileLock

from fmlib import checkpoints, damaged_files, files, runs, store, training
from fmlib.config import AutoencoderConfig, ClassifierConfig, DataConfig, Generated
from fmlib.errors import FmlibError, UsageError


@pytest.fixture
def config(tiny_config):
    """The quickest run that there is."""
    return AutoencoderConfig(data=tiny_config, side=32, train_size=24, epochs=2, batch_size=8)


@pytest.fixture(scope="session")
def pristine(shared_home):
    """A finished run's folder, to copy from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMLIB_HOME", str(shared_home))
        data = DataConfig("synthetic", 120, 3)
        return runs.get(AutoencoderConfig(data=data, side=32, train_size=24, epochs=2, batch_size=8)).folder


@pytest.fixture
def run(pristine, config, own_home):
    """The run, in a store of its own."""
    shutil.copytree(pristine, own_home / "runs" / pristine.name)
    return runs.get(config)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (os._exit, (3,))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero(path: Path) -> None:
    """Lose a block of the disk from the middle."""
    content, middle = path.read_bytes(), path.stat().st_size // 2
    path.write_bytes(content[:middle] + bytes(4096) + content[middle + 4096 :])


def misshape(path: Path) -> None:
    state = safetensors.torch.load_file(path)
    path.write_bytes(safetensors.torch.save({name: value.flatten()[:1] for name, value in state.items()}))


def explode(path: Path) -> None:
    path.write_bytes(pickle.dumps(Bomb()))


DAMAGES = [
    ("weights.safetensors", truncate),
    ("weights.safetensors", misshape),
    ("weights.safetensors", explode),
    ("weights.safetensors", Path.unlink),
    ("config.json", truncate),
    ("provenance.json", truncate),
    ("provenance.json", Path.unlink),
    ("history.csv", truncate),
]


@pytest.mark.parametrize("name, harm", DAMAGES, ids=[f"{harm.__name__} {name}" for name, harm in DAMAGES])
def test_a_damaged_run_is_set_aside_with_a_message_and_made_again(run, config, capfd, name, harm):
    expected = (run.folder / "weights.safetensors").read_bytes()
    harm(run.folder / name)
    again = runs.get(config)
    message = capfd.readouterr().err
    assert run.key in message and name in message and "set aside" in message
    assert (run.folder.with_suffix(".damaged")).is_dir() and store.fault(run.folder) is None
    assert (again.folder / "weights.safetensors").read_bytes() == expected


@pytest.fixture
def interrupted(config, own_home, monkeypatch):
    """The configuration of a run whose training stopped after its first epoch."""
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    other, keep = replace(config, seed=1), training.Fit._keep
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(training.Fit, "_keep", lambda self, row: (keep(self, row), 1 / 0))
        runs.get(other)
    return other


@pytest.mark.parametrize("harm", [truncate, zero, explode])
def test_a_damaged_checkpoint_is_set_aside_and_never_unpickled(interrupted, capfd, harm):
    harm(runs.place(interrupted).with_suffix(".partial") / training.CHECKPOINT)
    assert len(runs.get(interrupted).history) == 2
    assert "checkpoint.pt is damaged" in capfd.readouterr().err


def test_a_checkpoint_with_any_block_lost_is_refused_or_read_as_it_was(tmp_path):
    checkpoint = checkpoints.Checkpoint(tmp_path / "checkpoint.pt")
    state = {"weights": torch.arange(1, 65.0), "history": [{"epoch": 1, "loss": 0.5}]}
    checkpoint.write(state)
    content, read = checkpoint.path.read_bytes(), 0
    for start in range(0, len(content), 8):
        checkpoint.path.write_bytes(content[:start] + bytes(16) + content[start + 16 :])
        with contextlib.suppress(damaged_files.DamagedError):
            found = checkpoint.read(torch.device("cpu"))
            assert torch.equal(found["weights"], state["weights"]) and found["history"] == state["history"]
            read += 1
    # the rest is padding
    assert read < 0.5 * len(content) / 8


def no_memory_on_the_gpu(*args, **settings):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def no_memory_on_the_cpu(*args, **settings):
    torch.empty(2**50)


def no_memory_in_a_network(*args, **settings):
    layer = torch.nn.Linear(1, 1)
    layer.weight.copy_ = no_memory_on_the_gpu
    layer.load_state_dict(layer.state_dict())


@pytest.mark.parametrize("lack", [no_memory_on_the_gpu, no_memory_on_the_cpu, no_memory_in_a_network])
def test_a_lack_of_memory_is_no_damage_and_costs_no_progress(interrupted, lack, monkeypatch):
    checkpoint = runs.place(interrupted).with_suffix(".partial") / training.CHECKPOINT
    written = checkpoint.read_bytes()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="memory"):
        patch.setattr(torch, "load", lack)
        runs.get(interrupted)
    assert checkpoint.read_bytes() == written
    assert len(runs.get(interrupted).history) == 2 and set(runs.table().state) == {"finished"}


def test_weights_spoilt_after_they_were_found_are_refused_by_name(run):
    explode(run.folder / "weights.safetensors")
    with pytest.raises(FmlibError, match=r"weights\.safetensors is damaged"):
        run.model()


def test_a_stop_after_the_last_epoch_costs_no_training(run, config, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    other, write = replace(config, seed=2), store.write_json
    monkeypatch.setattr(store, "write_json", lambda path, value: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        runs.get(other)
    monkeypatch.setattr(store, "write_json", write)
    monkeypatch.setattr(training.Fit, "_epoch", None)
    found = runs.get(other)
    assert len(found.history) == 2
    assert {path.name for path in found.folder.iterdir()} == {path.name for path in run.folder.iterdir()}


@pytest.mark.parametrize("name", ["checkpoint.pt", "weights.safetensors", "history.csv", "provenance.json"])
def test_a_full_disk_is_named_and_the_store_still_loads(run, config, monkeypatch, name):
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    other, replacing = replace(config, seed=3), os.replace

    def full(source, target):
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        replacing(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FmlibError, match=r"no space is left.*prune"):
        runs.get(other)
    assert runs.get(config).model() is not None
    left = {path.name for path in runs.place(other).with_suffix(".partial").iterdir()}
    assert not {path for path in left if "part" in path}
    monkeypatch.setattr(os, "replace", replacing)
    assert len(runs.get(other).history) == 2


@pytest.fixture
def small_disk(shared_home, tiny, tmp_path, monkeypatch):
    """A store on a file system of 8 MB, and how to change its size; needs the right to mount one."""
    place = tmp_path / "small"
    place.mkdir()

    def mount(*options: str) -> bool:
        return subprocess.run(["mount", *options, str(place)], capture_output=True).returncode == 0

    if not shutil.which("mount") or not mount("-t", "tmpfs", "-o", "size=8m", "tmpfs"):
        pytest.skip("a file system cannot be mounted here")
    share_images(shared_home, place)
    monkeypatch.setenv("FMLIB_HOME", str(place))
    yield lambda size: mount("-o", f"remount,size={size}")
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_really_full_stops_a_run_which_then_goes_on(small_disk, tiny_config):
    large = ClassifierConfig(data=tiny_config, side=32, train_size=24, epochs=2, batch_size=8)
    with pytest.raises(FmlibError, match=r"no space is left.*prune"):
        runs.get(large)
    assert small_disk("1g")
    assert len(runs.get(large).history) == large.epochs
    assert not list(runs.place(large).parent.glob("*.partial"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_without_space_is_recognised_through_every_writer():
    for write in (
        lambda file: torch.save({"a": torch.zeros(100_000)}, file),
        lambda file: file.write(bytes(100_000)),
    ):
        with pytest.raises(FmlibError, match="no space"), files.full_disk_named(Path("/x")):  # noqa: SIM117
            with Path("/dev/full").open("wb") as file:
                write(file)


def test_provenance_says_what_the_run_was_made_with(run, tiny):
    record = json.loads((run.folder / "provenance.json").read_text())
    assert record["data"] == tiny.fingerprint and record["seeds"] == {"run": 0, "data": 3}
    assert record["environment"]["packages"]["torch"] and record["device"] == str(
        next(run.model().parameters()).device
    )
    assert record["precision"] in {"bf16", "fp32"} and isinstance(record["dirty"], bool)
    assert pd.Timestamp(record["started"]).tzinfo and record["seconds"] >= run.seconds
    assert "weights.safetensors" in record["files"]


def test_runs_are_listed_compared_and_removed(run, config):
    other = runs.get(replace(config, epochs=3, patience=None))
    table = runs.table().set_index("key")
    assert set(table.index) == {run.key, other.key} and set(table.state) == {"finished"}
    assert table.epochs[other.key] == 3 and table.megabytes.min() > 0
    differences = runs.compare(run.key, other.key)
    assert differences.loc["epochs"].to_list() == [2, 3] and "side" not in differences.index
    assert differences.loc["kept validation_loss", run.key] == pytest.approx(
        run.history.validation_loss.min()
    )
    assert differences.loc["kept validation_loss", other.key] == other.history.validation_loss.iloc[-1]
    assert differences.loc["kept epoch", other.key] == 3
    runs.remove(other.key)
    assert set(runs.table().key) == {run.key}
    with pytest.raises(FmlibError, match="no run"):
        runs.remove(other.key)


def test_pruning_keeps_what_is_named_and_what_is_in_training(run, config):
    other = runs.get(replace(config, epochs=1))
    shelf = run.folder.parent
    for name in ("one.partial", "two.partial", "three.damaged"):
        (shelf / name).mkdir()
    with FileLock(shelf / "two.lock"):
        assert set(runs.prune().key) == {"one", "three"}
        assert set(runs.table().key) == {"two", run.key, other.key}
        assert set(runs.prune(keep=[run.key]).key) == {other.key}
    assert set(runs.prune(keep=[run.key]).key) == {"two"} and len(runs.prune()) == 0
    assert runs.get(config).key == run.key and set(runs.table().key) == {run.key}


def test_pruning_takes_a_column_of_a_results_file_and_no_single_text(run, config):
    other = runs.get(replace(config, epochs=1))
    column = pd.DataFrame({"run": [run.key, None, run.key], "value": [0.5, 1.0, 0.2]}).run
    assert set(runs.prune(keep=column).key) == {other.key}
    assert set(runs.table().key) == {run.key}
    with pytest.raises(UsageError, match="list of keys"):
        runs.prune(keep=run.key)
    assert set(runs.table().key) == {run.key}


def test_pruning_keeps_the_autoencoders_that_kept_classifiers_were_made_with(run, config, tiny_config):
    common = {"data": tiny_config, "side": 32, "train_size": 24, "epochs": 1, "batch_size": 8}
    vae = AutoencoderConfig(**common, model="vae", latent=8)
    other = runs.get(replace(config, epochs=1))
    started = runs.get(ClassifierConfig(**common, model="dae-encoder", start=config))
    mixed = runs.get(ClassifierConfig(**common, model="dae-encoder", generated=Generated(autoencoder=vae)))
    assert set(runs.prune(keep=[started.key, mixed.key]).key) == {other.key}
    assert set(runs.table().key) == {started.key, mixed.key, run.key, runs.place(vae).name}
    assert set(runs.prune(keep=[started.key]).key) == {mixed.key, runs.place(vae).name}


def at_the_lock(monkeypatch, act) -> None:
    """Have another process act between the listing of the store and the taking of a run's lock."""
    monkeypatch.setattr(store, "FileLock", lambda path, **settings: (act(), FileLock(path, **settings))[1])


def test_the_store_is_listed_while_files_and_folders_of_it_go(run, monkeypatch):
    shelf, row = run.folder.parent, store._row
    for name in ("one.partial", "two.partial", "three"):
        (shelf / name).mkdir()
    # as a file that was listed and is gone when its size is asked for
    (shelf / "two.partial" / "checkpoint.partial").symlink_to("nowhere")
    (shelf / "two.partial" / "begun").write_text("1000 bytes".ljust(1000))

    def going(folder):
        if folder.name in ("one.partial", "three"):
            folder.rename(folder.with_suffix(".elsewhere"))
        return row(folder)

    monkeypatch.setattr(store, "_row", going)
    table = runs.table().set_index("key")
    assert set(table.index) == {"two", run.key} and table.megabytes["two"] == 0.001
    assert table.state[run.key] == "finished"


def test_pruning_spares_a_run_that_was_finished_or_mended_meanwhile(run, config, monkeypatch):
    partial = run.folder.with_suffix(".partial")
    run.folder.rename(partial)
    with monkeypatch.context() as patch:
        at_the_lock(patch, lambda: partial.rename(run.folder))
        assert len(runs.prune()) == 0
    written = (run.folder / "config.json").read_bytes()
    truncate(run.folder / "config.json")
    with monkeypatch.context() as patch:
        at_the_lock(patch, lambda: (run.folder / "config.json").write_bytes(written))
        assert len(runs.prune()) == 0
    assert store.fault(run.folder) is None and set(runs.table().state) == {"finished"}


def test_a_run_in_training_or_gone_meanwhile_is_not_removed(run, monkeypatch):
    with FileLock(run.folder.with_suffix(".lock")), pytest.raises(FmlibError, match="in training"):
        runs.remove(run.key)
    assert store.fault(run.folder) is None
    at_the_lock(monkeypatch, lambda: shutil.rmtree(run.folder))
    with pytest.raises(FmlibError, match="no run"):
        runs.remove(run.key)


def test_a_run_that_is_deleted_while_it_is_checked_is_made_again(run, config, monkeypatch):
    expected, hashed = (run.folder / "weights.safetensors").read_bytes(), store._hash

    def deleted_meanwhile(path):
        if path.parent == run.folder:
            shutil.rmtree(run.folder)
        return hashed(path)

    with monkeypatch.context() as patch:
        patch.setattr(store, "_hash", deleted_meanwhile)
        assert (runs.get(config).folder / "weights.safetensors").read_bytes() == expected
    assert store.fault(run.folder) is None


def test_a_run_that_cannot_be_read_is_faulty_and_says_why(run, monkeypatch):
    def forbidden(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(store, "_hash", forbidden)
    assert "Permission denied" in store.fault(run.folder)
