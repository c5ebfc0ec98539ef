"""A user's own photographs: a row per file, reasons for those that cannot be read."""

import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from fmlib import cli, predict, runs
from fmlib.config import ClassifierConfig
from fmlib.errors import FmlibError, UsageError


@pytest.fixture
def run(tiny_config):
    return runs.get(ClassifierConfig(data=tiny_config, model="resnet18", side=32, epochs=1, batch_size=32))


def test_files_are_judged_as_the_run_judges_its_own_images(run, tiny):
    stored = run.predictions.iloc[:5]
    table = predict.predict_files(run.key, [tiny.root / path for path in stored.path])
    order = np.argsort(stored.logit.to_numpy())
    np.testing.assert_array_equal(np.argsort(table.probability.to_numpy()), order)
    assert ((table.label == "with mask") == (stored.logit.to_numpy() >= 0)).all()


def test_what_is_no_image_has_a_reason_and_costs_nobody_else(run, tiny, tmp_path, capsys):
    (tmp_path / "note.png").write_text("not a picture")
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("L", (500, 30), 90).save(tmp_path / "grey.png")
    names = [str(tmp_path / name) for name in ("note.png", "moving.gif", "grey.png", "absent.jpg")]
    assert cli.main(["predict", run.key, *names]) == 1
    out, err = capsys.readouterr()
    assert [line.split(",")[0] for line in out.splitlines()] == ["path", names[1], names[2]]
    assert "note.png: not an image file" in err and "absent.jpg" in err
    assert cli.main(["predict", run.key, names[2]]) == 0


def test_an_unknown_run_is_misuse(home):
    with pytest.raises(UsageError, match="no classifier run"):
        predict.predict_files("0123456789abcdef", [])


def test_a_pickle_offered_as_weights_is_refused(tmp_path, run):
    folder = tmp_path / "offered"
    shutil.copytree(run.folder, folder)
    (folder / "weights.safetensors").write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(FmlibError, match=r"weights\.safetensors is damaged"):
        predict.predict_files(folder, [])
