"""A study comes out the same wherever its runs are computed, and complete though workers die."""

import os
import signal
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from traces import linger, note

from fmlib import executors, runs, store, studies
from fmlib.config import AutoencoderConfig, ClassifierConfig, Generated
from fmlib.errors import FmlibError, UsageError
from fmlib.profiles import PROFILES


def traced(folder: Path, items: list[int]) -> list:
    return executors.complete(partial(note, folder), items, [1] * len(items), str)


@pytest.fixture
def study(tiny_config):
    """Four quick runs."""
    config = AutoencoderConfig(data=tiny_config, side=32, train_size=24, epochs=3, batch_size=8)
    return [replace(config, seed=seed) for seed in range(20, 24)]


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def weights(found: list[runs.Run]) -> list[bytes]:
    return [(run.folder / "weights.safetensors").read_bytes() for run in found]


def test_a_local_worker_that_dies_costs_its_own_call_which_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_WORKERS", "2")
    assert traced(tmp_path, [0, 1, 2, 4]) == [(0, 1), (1, 1), (2, 1), (4, 1)]
    assert {path.name for path in tmp_path.iterdir()} == {"0-0", "1-0", "2-0", "2-1", "4-0"}


def test_a_run_that_fails_does_not_stop_the_others(tmp_path):
    with pytest.raises(ValueError, match="three"):
        traced(tmp_path, [3, 4])
    assert {path.name for path in tmp_path.iterdir()} == {"3-0", "4-0"}


def test_a_worker_that_always_dies_is_given_up_by_name(monkeypatch):
    class Broken(executors.InProcess):
        def submit(self, function, /, *args, **settings):
            return super().submit(self.broken)

        def broken(self):
            raise executors.BrokenExecutor

    monkeypatch.setattr(executors, "InProcess", Broken)
    with pytest.raises(FmlibError, match=r"the run: its worker died.*__main__"):
        executors.complete(print, [0], [1], lambda item: "the run")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch, study, own_home):
    monkeypatch.setattr(executors, "PATIENCE", 1)
    monkeypatch.setenv("FMLIB_SCHEDULER", "tcp://127.0.0.1:9")
    with pytest.raises(FmlibError, match=r"tcp://127\.0\.0\.1:9.*dask scheduler"):
        runs.get_all(study)
    assert len(runs.table()) == 0


def test_a_setting_that_is_no_number_is_misuse(monkeypatch):
    monkeypatch.setenv("FMLIB_WORKERS", "many")
    with pytest.raises(UsageError, match=r"FMLIB_WORKERS.*'many'"):
        executors.complete(print, [0], [1], str)


def test_workers_with_another_store_are_found_out(monkeypatch, study, own_home):
    monkeypatch.setattr(executors, "complete", lambda task, items, sizes, name: ["elsewhere"] * len(items))
    with pytest.raises(FmlibError, match=r"elsewhere.*FMLIB_HOME"):
        runs.get_all(study)


def test_a_study_in_local_processes_has_the_bits_of_one_in_process_and_a_single_bar(
    study, own_home, monkeypatch, one_thread, capfd
):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    here = weights(runs.get_all(study[:2]))
    for config in study[:2]:
        runs.remove(runs.place(config).name)
    monkeypatch.setenv("FMLIB_WORKERS", "2")
    capfd.readouterr()
    assert weights(runs.get_all(study[:2])) == here
    shown = capfd.readouterr().err
    assert "2 runs" in shown and "seed 2" not in shown


def test_generators_are_trained_before_what_needs_them(monkeypatch, tiny_config, own_home):
    vae = AutoencoderConfig(data=tiny_config, model="vae", side=32, train_size=24)
    config = ClassifierConfig(data=tiny_config, side=32, train_size=24, generated=Generated(autoencoder=vae))
    asked = []

    def stop(task, items, sizes, name):
        asked.append(items)
        raise InterruptedError

    monkeypatch.setattr(executors, "complete", stop)
    with pytest.raises(InterruptedError):
        runs.get_all([config, replace(config, seed=1)])
    assert asked == [[vae]]


STUDIES = {
    "all_architectures": studies.all_architectures,
    "architectures": studies.architectures,
    "rate_search": studies.rate_search,
    "optimizers": partial(studies.optimizers, rates={"adam": None, "sgd": 0.1}),
    "activations": studies.activations,
    "autoencoders": lambda stage: studies.autoencoders(stage, "dae", "vae"),
    "judges": studies.judges,
}


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_every_study_goes_through_the_executor(study, monkeypatch, tiny_config, own_home):
    class Handed(Exception):
        pass

    def hand(task, items, sizes, name):
        raise Handed(len(items))

    monkeypatch.setattr(executors, "complete", hand)
    monkeypatch.setattr(studies, "train_size", lambda stage, split: 80)
    stage = SimpleNamespace(profile=PROFILES["quick"], data_config=tiny_config, seed=0)
    with pytest.raises(Handed) as handed:
        study(stage)
    assert handed.value.args[0] > 1


def test_a_scheduler_that_asks_for_certificates_is_named(monkeypatch):
    monkeypatch.setenv("FMLIB_SCHEDULER", "tls://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"FMLIB_SCHEDULER=tls://127\.0\.0\.1:9.*tcp://"):
        executors.complete(print, [0], [1], str)


@pytest.mark.slow
def test_a_cluster_that_loses_its_last_worker_is_named(tmp_path, monkeypatch):
    from dask.distributed import LocalCluster

    settings = {"processes": True, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(n_workers=1, threads_per_worker=1, **settings) as cluster:
        monkeypatch.setenv("FMLIB_SCHEDULER", cluster.scheduler_address)

        def leave_when_at_work():
            while not (tmp_path / "0").exists():
                time.sleep(0.05)
            monkeypatch.setattr(executors, "PATIENCE", 2)
            cluster.scale(0)

        threading.Thread(target=leave_when_at_work, daemon=True).start()
        with pytest.raises(FmlibError, match=f"{cluster.scheduler_address} has had no worker.*dask worker"):
            executors.complete(partial(linger, tmp_path), [0], [1], str)


@pytest.mark.slow
def test_a_dask_worker_killed_in_the_middle_of_a_study(study, own_home, monkeypatch, one_thread):
    from dask.distributed import Client, LocalCluster

    here = weights(runs.get_all(study[:1]))
    runs.remove(runs.place(study[0]).name)
    longer = [*study[:1], *(replace(config, epochs=40) for config in study[1:])]
    settings = {"processes": True, "host": "127.0.0.1", "dashboard_address": None}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, **settings) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        monkeypatch.setenv("FMLIB_SCHEDULER", cluster.scheduler_address)
        victim, pid = next(iter(client.run(os.getpid).items()))

        def kill_when_training():
            for _ in range(20 * 60):  # at most as long as the study could take
                if client.processing()[victim] and list(store.shelf().glob("*.partial/checkpoint.pt")):
                    return os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)

        killer = threading.Thread(target=kill_when_training, daemon=True)
        killer.start()
        found = runs.get_all(longer)
        killer.join()
        assert pid not in client.run(os.getpid).values()
    assert [len(run.history) for run in found] == [len(run.history) for run in map(runs.get, longer)]
    assert weights(found[:1]) == here and set(runs.table().state) == {"finished"}
