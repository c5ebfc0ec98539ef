"""A run is trained once, found again, and keyed by what can change it and nothing else."""

import errno
import inspect
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fmlib import fingerprints, inputs, making, objectives, runs, store, tables, training
from fmlib.config import ARCHITECTURES, AutoencoderConfig, ClassifierConfig, Generated
from fmlib.data import pictures, splits
from fmlib.data.decoding import decoded
from fmlib.errors import ExplosionError, FmlibError, UsageError
from fmlib.training import Fit


@pytest.fixture
def config(tiny_config):
    return ClassifierConfig(data=tiny_config, model="resnet18", side=32, epochs=1, batch_size=32)


def train_and_report(config):
    return runs.get(config).history.seconds.iloc[0]


def test_a_run_is_trained_once_even_by_two_processes(config, home):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(train_and_report, [config, config])
    assert first == second == runs.get(config).history.seconds.iloc[0]


def test_a_run_holds_what_it_promises(config, tiny):
    run = runs.get(config)
    names = {"config.json", "history.csv", "weights.safetensors", "predictions.csv", "provenance.json"}
    assert names <= {path.name for path in run.folder.iterdir()}
    table = run.predictions
    assert set(table.split) == {"validation", "test"} and table.path.is_unique
    truth = tiny.manifest.set_index("path").label
    assert (table.label == truth[table.path].to_numpy()).all()
    np.testing.assert_allclose(table.probability, 1 / (1 + np.exp(-table.logit)))


def test_the_stored_model_makes_the_stored_predictions(config, tiny):
    run = runs.get(config)
    table = run.predict(tiny).set_index("path")
    stored = run.predictions
    np.testing.assert_allclose(table.logit[stored.path], stored.logit, atol=1e-5)
    assert set(table.split) == {"external"} and not run.model().training


@pytest.mark.parametrize("cut", [None, 2000, -4], ids=["empty", "in a row", "in the last number"])
def test_damaged_predictions_of_another_set_are_computed_again_with_a_message(config, tiny, capfd, cut):
    run = runs.get(config)
    path, expected = run.folder / f"predictions-{tiny.fingerprint}.csv", run.predict(tiny)
    path.write_bytes(path.read_bytes()[:cut] if cut else b"")
    pd.testing.assert_frame_equal(run.predict(tiny), expected)
    message = capfd.readouterr().err
    assert run.key in message and path.name in message and "computed again" in message
    stamp = path.stat().st_mtime_ns
    run.predict(tiny)
    assert path.stat().st_mtime_ns == stamp and "again" not in capfd.readouterr().err


def test_predictions_of_other_images_are_not_believed(config, tiny):
    run = runs.get(config)
    path, expected = run.folder / f"predictions-{tiny.fingerprint}.csv", run.predict(tiny)
    store.write_table(expected.iloc[:-1], path)
    pd.testing.assert_frame_equal(run.predict(tiny), expected)


def write_to_a_full_disk(source, target):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_named_where_another_set_is_predicted(config, tiny, monkeypatch):
    run = runs.get(config)
    (run.folder / f"predictions-{tiny.fingerprint}.csv").unlink(missing_ok=True)
    with monkeypatch.context() as patch, pytest.raises(FmlibError, match=r"no space is left.*prune"):
        patch.setattr(os, "replace", write_to_a_full_disk)
        run.predict(tiny)
    assert len(run.predict(tiny)) == len(tiny)


def test_keys_follow_meaning(config, monkeypatch):
    key = fingerprints.digest(runs.meaning(config))
    assert key == fingerprints.digest(runs.meaning(replace(config)))
    for change in (
        {"seed": 1},
        {"epochs": 2},
        {"split": "official"},
        {"activation": "tanh"},
        {"train_size": 20},
    ):
        assert key != fingerprints.digest(runs.meaning(replace(config, **change)))
    monkeypatch.setattr(runs, "code_version", lambda modules: "other")
    assert key != fingerprints.digest(runs.meaning(config))


def test_a_split_is_made_once_for_all_runs_of_a_data_set(config, monkeypatch):
    runs.place(config)
    monkeypatch.setattr(splits, "assign", None)
    assert runs.place(replace(config, seed=5, train_size=20)) != runs.place(config)


def test_a_study_computes_each_key_once(config, monkeypatch):
    asked = []
    monkeypatch.setattr(runs, "place", lambda config: asked.append(config) or store.shelf() / "key")
    monkeypatch.setattr(store, "fault", lambda folder: None)
    study = [replace(config, seed=seed) for seed in range(3)]
    assert [run.config for run in runs.get_all(study)] == study == asked


def test_code_that_cannot_affect_a_run_is_not_in_its_key(config):
    vae = AutoencoderConfig(model="vae")
    others = {"autoencoders.py", "autoencoder_losses.py", "generation.py", "figures/style.py"}
    assert not others & set(runs.code(config))
    assert "autoencoders.py" in runs.code(replace(config, model="dae-encoder"))
    assert {"autoencoders.py", "generation.py"} <= set(
        runs.code(replace(config, generated=Generated(autoencoder=vae)))
    )
    assert "models.py" in runs.code(config) and "models.py" not in runs.code(vae)


def test_the_key_follows_the_code_that_makes_a_run(config, tiny_config):
    makes = (pictures.open_rgb, decoded, inputs.batches, making.build, making.started, making.judged, Fit)
    modules = {
        Path(inspect.getfile(function)).relative_to(fingerprints.PACKAGE).as_posix() for function in makes
    }
    for asked in (config, AutoencoderConfig(data=tiny_config)):
        assert modules <= set(runs.code(asked))


def test_other_validation_images_make_another_run(config, monkeypatch):
    config = replace(config, validation_size=4)
    monkeypatch.setattr(inputs, "_parts", inputs._parts.__wrapped__)
    key = runs.place(config).name
    monkeypatch.setattr(splits, "subset", lambda manifest, rows, size: rows[:1])
    assert runs.place(config).name != key


def test_code_counts_by_what_it_does(tmp_path):
    one, two, three = (tmp_path / f"{name}.py" for name in "abc")
    bare, short = tmp_path / "bare.py", tmp_path / "short.py"
    bare.write_text("def f(x):\n    return x + 1\n\n\nclass A:\n    pass\n")
    short.write_text('"""Doc."""\ndef f(x):\n    """Say."""\n    return x + 1\nclass A:\n    """Say."""\n')
    assert fingerprints._meaning(bare) == fingerprints._meaning(short)
    one.write_text('"""Doc."""\n\n\ndef f(x):\n    """Say."""\n    return x + 1  # why\n')
    two.write_text('"""Other."""\ndef f(x):\n    """Say more."""\n    return (x + 1)\n')
    three.write_text('"""Doc."""\n\n\ndef f(x):\n    """Say."""\n    return x + 2\n')
    assert fingerprints._meaning(one) == fingerprints._meaning(two) != fingerprints._meaning(three)
    # what newer Pythons add to a tree and older ones lack is empty, and not told
    four = tmp_path / "d.py"
    four.write_text("def f(x=None):\n    return x\n")
    tree = "args=arguments(args=[arg(arg='x')], defaults=[Constant()]), body=[Return(value=Name(id='x', ctx=Load()))]"
    assert fingerprints._meaning(four) == f"Module(body=[FunctionDef(name='f', {tree})])"
    measuring = fingerprints.measuring_code()
    assert "training.py" in measuring and "figures/style.py" not in measuring
    assert set(fingerprints.CLASSIFIER_CODE + fingerprints.GENERATED_CODE) <= set(measuring)


def test_generated_images_come_from_the_same_sources_only(tiny_config, tiny):
    common = {"data": tiny_config, "side": 32, "train_size": 24, "epochs": 1, "batch_size": 8}
    vae = AutoencoderConfig(**common, model="vae", latent=8)
    config = ClassifierConfig(**common, augmentation="none", generated=Generated(autoencoder=vae))
    made = making.mixture(config, runs._trained)
    sources, source_labels = inputs.training_images(config)
    assert made.images.shape[1:] == sources.shape[1:] and set(made.labels) == {0, 1}
    np.testing.assert_array_equal(sources, inputs.training_images(vae)[0])
    run = runs.get(config)
    assert len(run.history) == 1 and (runs.get(vae).folder / "first.safetensors").exists()
    assert len(source_labels) == len(sources)


def test_a_classifier_starts_from_the_encoder_of_its_dae_and_from_nothing_else(tiny_config, tiny):
    common = {"data": tiny_config, "side": 32, "train_size": 24, "epochs": 1, "batch_size": 8}
    dae = AutoencoderConfig(**common)
    config = ClassifierConfig(**common, model="dae-encoder", start=dae, validation_size=4)
    encoder = runs.get(dae).model().encoder.state_dict()
    started = making.started(config, runs._trained).cam_layer.state_dict()
    assert all(torch.equal(started[name].cpu(), value.cpu()) for name, value in encoder.items())
    run = runs.get(config)
    assert (run.predictions.split == "validation").sum() == 4 and run.model()(
        torch.rand(2, 3, 32, 32)
    ).shape == (2, 2)
    assert run.key != runs.place(replace(config, start=None)).name
    for wrong in (replace(config, model="resnet18"), replace(config, start=replace(dae, model="vae"))):
        with pytest.raises(UsageError, match="dae-encoder can"):
            runs.get(wrong)


def test_pasted_masks_are_of_faces_outside_the_data_set_and_make_another_run(tiny_config, tiny):
    config = ClassifierConfig(data=tiny_config, side=32, train_size=24, epochs=1, batch_size=9, pasted=40)
    masks = inputs.masks(config)
    assert masks.images.shape[1:] == (32, 32, 3) and 0 < len(masks.images) < 40
    own = {image.tobytes() for image in inputs.training_images(replace(config, train_size=None))[0]}
    assert not own & {image.tobytes() for image in masks.images}
    keys = {runs.digest(runs.meaning(replace(config, pasted=count))) for count in (0, 40, 60)}
    assert len(keys) == 3 and len(runs.get(config).history) == 1


def test_building_is_a_function_of_the_seed_and_leaves_the_world_alone(config):
    state = torch.random.get_rng_state()
    one, two = (making.build(config).state_dict()["net.fc.weight"] for _ in range(2))
    assert torch.equal(one, two) and torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(one, making.build(replace(config, seed=1)).state_dict()["net.fc.weight"])


def test_remembered_computes_once_and_gives_back_the_same_numbers(home):
    calls = []

    def compute():
        calls.append(1)
        return pd.DataFrame({"path": ["a"], "x": [1 / 3]})

    first = tables.remembered("trial", {"a": 1}, compute)
    second = tables.remembered("trial", {"a": 1}, compute)
    assert len(calls) == 1 and first.equals(second) and first.x.iloc[0] == 1 / 3
    tables.remembered("trial", {"a": 2}, compute)
    assert len(calls) == 2
    for path in (home / "tables").glob("trial-*.csv"):
        path.write_bytes(b"")  # as after a lack of power
    assert tables.remembered("trial", {"a": 1}, compute).equals(first) and len(calls) == 3


def test_tables_hold_any_file_name(tmp_path):
    paths = ["a\rb.png", "new\nline", '"', "\udcff.png", "1.0", "マスク"]
    table = pd.DataFrame({"path": paths, "group": paths, "x": [0.1] * len(paths)})
    store.write_table(table, tmp_path / "t.csv")
    assert store.read_table(tmp_path / "t.csv").to_dict() == table.to_dict()


def test_a_study_can_leave_out_what_explodes_from_the_start_and_name_it(config, monkeypatch, capsys):
    plain = objectives.objective_of

    def exploding(config, train):
        if config.learning_rate is None:
            return plain(config, train)
        return lambda *args: {"loss": torch.tensor(float("nan"), requires_grad=True)}

    monkeypatch.setattr(training, "objective_of", exploding)
    asked = [replace(config, model="compact", learning_rate=rate) for rate in (30.0, None, 40.0)]
    with pytest.raises(ExplosionError, match="lower the learning rate"):
        runs.get_all(asked)
    assert runs.table().state.eq("exploded").sum() == 2
    monkeypatch.setattr(training, "objective_of", None)  # what exploded is known and not trained again
    assert [run.config for run in runs.surviving(asked)] == [asked[1]]
    assert capsys.readouterr().err.count("this run is left out") == 2
    exploded = runs.table().query("state == 'exploded'").key
    with pytest.raises(ExplosionError, match=rf"runs\.remove\('{runs.place(asked[0]).name}'\) forgets it"):
        runs.get(asked[0])
    runs.remove(exploded.iloc[0])
    assert "exploded" in set(runs.prune().state) and "exploded" not in set(runs.table().state)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_a_gpu_trains_the_same_bits_twice(config, model):
    weights = []
    for _ in range(2):
        run = runs.get(replace(config, model=model))
        weights.append((run.folder / "weights.safetensors").read_bytes())
        runs.remove(run.key)
    assert weights[0] == weights[1]
