"""A user's own photographs: a line per file as it is judged, reasons for those that cannot be, models in one file."""

import csv
import io
import json
import os
import pickle
import shutil
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

import fmlib
from fmlib import cli, making, modelcard, modelfile, prediction, runs
from fmlib.config import ClassifierConfig, DataConfig
from fmlib.errors import FmlibError, UsageError
from fmlib.explain import Contrast, explainer


@pytest.fixture
def run(tiny_config):
    return runs.get(ClassifierConfig(data=tiny_config, model="resnet18", side=32, epochs=1, batch_size=32))


@pytest.fixture
def exported(run, tmp_path):
    """The run's classifier as one file."""
    modelfile.export(run.key, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def photograph(path, size=(60, 40), seed=0):
    """A file of random pixels, of which no two are alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def printed(capsys, *arguments) -> tuple[int, list[dict], str]:
    """Exit status, the lines of the printed table, and what stands on stderr."""
    status = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return status, list(csv.DictReader(io.StringIO(out))), err


@pytest.fixture
def close(monkeypatch):
    """Close paths to everyone; permissions alone would not hold back root."""
    closed = set()

    def refusing(call):
        def refuse(path, *arguments, **options):
            if str(path) in closed:
                raise PermissionError(13, "Permission denied", str(path))
            return call(path, *arguments, **options)

        return refuse

    for name in ("stat", "scandir", "readlink"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    return lambda path: closed.add(str(path))


def test_files_are_judged_as_the_run_judges_its_own_images(run, tiny):
    stored = run.predictions.iloc[:5]
    table = fmlib.predict(run.key, [tiny.root / path for path in stored.path])
    order = np.argsort(stored.logit.to_numpy())
    np.testing.assert_array_equal(np.argsort(table.probability.to_numpy()), order)
    assert ((table.label == "with mask") == (stored.logit.to_numpy() >= 0)).all()


def test_a_run_from_imagenet_weights_is_opened_offline_and_judges_as_it_did(
    tiny_config, tiny, tmp_path, monkeypatch
):
    from torchvision.models import _api, googlenet

    state = googlenet(aux_logits=True, init_weights=False).state_dict()
    # so large that what enters the network is seen in what comes out
    state = {name: 4 * value if name.endswith("conv.weight") else value for name, value in state.items()}
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda url, **options: state)
    run = runs.get(
        ClassifierConfig(
            data=tiny_config, model="googlenet", side=32, epochs=1, batch_size=32, pretrained=True
        )
    )
    monkeypatch.setattr(_api, "load_state_dict_from_url", None)
    modelfile.export(run.key, tmp_path / "model.safetensors")
    stored = run.predictions.set_index("path").logit
    rows = np.flatnonzero(tiny.manifest.path.isin(stored.index))
    opened = (run.model(), *(modelfile.load(m).network for m in (run.key, tmp_path / "model.safetensors")))
    for network in opened:
        table = making.predictions(network, run.config, tiny, rows).set_index("path")
        np.testing.assert_allclose(table.logit, stored[table.index], rtol=1e-4)


def test_what_is_no_image_has_a_reason_and_costs_nobody_else(run, tmp_path, capsys):
    (tmp_path / "note.png").write_text("not a picture")
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("L", (500, 30), 90).save(tmp_path / "grey.png")
    os.mkfifo(tmp_path / "pipe.jpg")  # to open it would wait for ever
    names = [
        str(tmp_path / name) for name in ("note.png", "moving.gif", "pipe.jpg", "grey.png", "absent.jpg")
    ]
    status, lines, err = printed(capsys, "predict", run.key, *names)
    assert status == 1 and [line["path"] for line in lines] == [names[1], names[3]]
    assert "note.png: not an image file" in err and "absent.jpg" in err and "pipe.jpg" in err
    assert printed(capsys, "predict", run.key, names[3])[0] == 0


def test_a_folder_is_walked_and_no_link_leads_out_of_it(run, tmp_path, capsys, monkeypatch):
    outside = photograph(tmp_path / "private" / "diary.png")
    inside = [photograph(tmp_path / "album" / name, seed=i) for i, name in enumerate(("b.png", "a/c.png"))]
    photograph(tmp_path / "album" / ".hidden.png")
    (tmp_path / "album" / "d.png").symlink_to(inside[0])
    (tmp_path / "album" / "e.png").symlink_to(outside)
    (tmp_path / "album" / "more").symlink_to(outside.parent)
    status, lines, err = printed(capsys, "predict", run.key, tmp_path / "album")
    names = [str(tmp_path / "album" / name) for name in ("b.png", "d.png", "a/c.png")]
    assert status == 1 and [line["path"] for line in lines] == names
    assert "e.png: a link that leads out" in err and "diary" not in err and "hidden" not in err
    assert "more: a link that leads out" in err and "FMLIB_FOLLOW_LINKS=1" in err
    monkeypatch.setenv("FMLIB_FOLLOW_LINKS", "1")
    status, lines, err = printed(capsys, "predict", run.key, tmp_path / "album")
    more = [
        str(tmp_path / "album" / name) for name in ("b.png", "d.png", "e.png", "a/c.png", "more/diary.png")
    ]
    assert status == 0 and [line["path"] for line in lines] == more and not err
    monkeypatch.delenv("FMLIB_FOLLOW_LINKS")
    (tmp_path / "bare").mkdir()
    assert "a folder without files" in printed(capsys, "predict", run.key, tmp_path / "bare")[2]


def test_names_of_files_give_a_terminal_no_commands(run, tmp_path, capsys, monkeypatch):
    evil = photograph(tmp_path / "a\x1b]0;title\x07.png")
    assert printed(capsys, "predict", run.key, evil)[1][0]["path"] == str(evil)  # a pipe gets the name itself
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name in (evil, tmp_path / "b\x1b[2J.png"):
        cli.main(["predict", run.key, str(name)])
        said = "".join(capsys.readouterr())
        assert "\\x1b" in said and not {"\x1b", "\x07"} & set(said)


def test_overlays_are_not_taken_for_photographs(run, tmp_path, capsys):
    photograph(tmp_path / "album" / "one.png")
    for _ in range(2):
        arguments = ("predict", run.key, "--cam", tmp_path / "album" / "cams", tmp_path / "album")
        assert len(printed(capsys, *arguments)[1]) == 1
    status, _, err = printed(capsys, "predict", run.key, "--cam", tmp_path / "album", tmp_path / "album")
    assert status == 2 and "name another folder" in err


def test_a_link_to_itself_is_an_error_of_its_own(run, tmp_path, capsys):
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "loop.png").symlink_to("loop.png")
    status, lines, err = printed(capsys, "predict", run.key, tmp_path / "album")
    assert status == 1 and not lines and "loop.png" in err


def test_a_name_that_leads_nowhere_costs_nobody_else(run, tmp_path, capsys, close):
    good, closed = [photograph(tmp_path / name) for name in ("one.png", "two.png")], tmp_path / "closed.png"
    close(closed)
    status, lines, err = printed(capsys, "predict", run.key, good[0], "x" * 300, closed, "", good[1])
    assert status == 1 and [line["path"] for line in lines] == [str(path) for path in good]
    assert "xxx: cannot be read: File name too long" in err
    assert f"{closed}: no permission to read it" in err and "an empty name" in err
    assert len(err.splitlines()) == 3


def test_text_that_is_no_name_of_a_file_costs_nobody_else(run, tmp_path):
    good = photograph(tmp_path / "photo.png")
    table = fmlib.predict(run.key, [good, "a\0b", "\ud800", "", good])
    assert table.path.tolist() == [str(good), "a\0b", "\ud800", "", str(good)]
    assert (table.error == "").tolist() == [True, False, False, False, True]


def test_what_is_closed_within_a_folder_costs_nobody_else(run, tmp_path, capsys, close):
    good = photograph(tmp_path / "album" / "b.png")
    (tmp_path / "album" / "a.png").symlink_to(tmp_path / "link")
    (tmp_path / "link").symlink_to("nowhere")  # as /proc/1/cwd, of which only root may know where it leads
    photograph(tmp_path / "album" / "closed" / "c.png")
    close(tmp_path / "link")
    close(tmp_path / "album" / "closed")
    cams = tmp_path / "album" / "cams"
    status, lines, err = printed(capsys, "predict", run.key, "--cam", cams, tmp_path / "album")
    assert status == 1 and [line["path"] for line in lines] == [str(good)]
    assert "a.png: cannot be read: Permission denied" in err
    assert "closed: folder cannot be read: Permission denied" in err


def test_one_file_or_folder_needs_no_list(run, tmp_path, monkeypatch):
    photo = photograph(tmp_path / "p" / "photo.png")
    monkeypatch.chdir(tmp_path)
    expected = fmlib.predict(run.key, [photo]).probability.tolist()
    for one in (str(photo), photo, "p", tmp_path / "p"):
        assert fmlib.predict(run.key, one).probability.tolist() == expected
    assert fmlib.predict(run.key, "").error.tolist() == ["an empty name"]


def test_names_that_are_no_text_and_names_with_commas_are_printed_as_they_are(run, tmp_path, capfdbinary):
    for name in (b"\xff.png", b"a, b.png"):
        photograph(tmp_path / "odd" / os.fsdecode(name))
    assert cli.main(["predict", run.key, str(tmp_path / "odd")]) == 0
    out = capfdbinary.readouterr().out
    assert b"\xff.png," in out and b'a, b.png",' in out


def test_judgements_come_as_files_are_read_and_are_not_kept(run, tmp_path):
    photo, asked = photograph(tmp_path / "photo.png"), []

    def endless():
        while True:
            asked.append(photo)
            yield photo

    stream = prediction.judged(modelfile.load(run.key), endless())
    first = next(stream)
    assert first.path == str(photo) and len(asked) == prediction.BATCH
    tracemalloc.start()
    for _ in range(3 * prediction.BATCH):
        next(stream)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(10 * prediction.BATCH):
        next(stream)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 10 * prediction.BATCH * 100  # bytes; `asked` holds 8 per file, a judgement alone over 200


def test_an_overlay_of_every_photograph_shows_the_map_of_its_label(run, tmp_path, capsys):
    photos = [photograph(tmp_path / folder / "one.png", (90, 60), seed) for seed, folder in enumerate("ab")]
    before = [photo.read_bytes() for photo in photos]
    cams = tmp_path / "new" / "cams"
    status, lines, _ = printed(capsys, "predict", run.key, "--cam", cams, *photos, tmp_path / "absent.png")
    assert status == 1 and len({line["cam"] for line in lines}) == 2
    plain = printed(capsys, "predict", run.key, *photos)[1]
    assert [line["label"] for line in plain] == [line["label"] for line in lines]
    assert "cam" not in plain[0] and [photo.read_bytes() for photo in photos] == before
    trained = modelfile.load(run.key)
    for photo, line in zip(photos, lines, strict=True):
        drawn = Image.open(line["cam"])
        assert drawn.size == (90, 60)
        pixels = prediction.squared(Image.open(photo), trained.side)
        with explainer(Contrast(trained.network)) as explain:
            saliency = explain(prediction.to_float(pixels[None])).of(
                "gradcam", int(line["label"] == "with mask")
            )
        difference = np.asarray(drawn, float) - np.asarray(Image.open(photo), float) / 2
        redness = np.asarray(Image.fromarray(difference[..., 0] - difference[..., 2]).resize((32, 32)))
        assert np.corrcoef(redness.ravel(), saliency[0].numpy().ravel())[0, 1] > 0.5 or not saliency.any()
    again = printed(capsys, "predict", run.key, "--cam", cams, *photos)[1]
    assert again == lines and len(list(cams.iterdir())) == 2


def test_an_overlay_fits_the_longest_name_in_any_script(run, tmp_path):
    photo = photograph(tmp_path / f"{'マ' * 83}.png")  # 253 of the 255 bytes that a name may have
    drawn = fmlib.predict(run.key, [photo], tmp_path / "cams").cam[0]
    assert Image.open(drawn).size == (60, 40)


def test_overlays_of_photographs_one_pixel_high_or_wide(run, tmp_path):
    sizes = {(900, 1): (640, 2), (1, 900): (2, 640), (1, 1): (2, 2)}
    photos = [photograph(tmp_path / f"{number}.png", size) for number, size in enumerate(sizes)]
    drawn = fmlib.predict(run.key, photos, tmp_path / "cams").cam
    assert [Image.open(path).size for path in drawn] == list(sizes.values())


def test_an_exported_file_judges_as_its_run_does(run, exported, tiny, home, tmp_path, monkeypatch):
    photos = [tiny.root / path for path in run.predictions.path.iloc[:4]]
    expected = fmlib.predict(run.key, photos)
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "elsewhere"))
    np.testing.assert_array_equal(fmlib.predict(exported, photos).probability, expected.probability)
    with safe_open(str(exported), "pt") as file:
        metadata = file.metadata()
    card = exported.with_suffix(".md").read_text()
    assert metadata["card"] == card and json.loads(metadata["config"])["model"] == "resnet18"
    assert all(word in card for word in ("ResNet-18", "F1", "Limits", run.key, "random weights"))
    assert "* Data set: synthetic\n" in card and "wears a mask properly: over nose and mouth." in card
    assert str(home) not in card + str(metadata)  # no place of this machine


def test_a_card_names_the_folder_and_claims_no_more_than_was_labelled(home, tmp_path):
    for name in ("WithMask", "WithoutMask"):
        for seed in range(12):
            photograph(tmp_path / "My faces" / name / f"{seed}.png", seed=seed + 100 * len(name))
    data = DataConfig(str(tmp_path / "My faces"))
    run = runs.get(ClassifierConfig(data=data, model="resnet18", side=32, epochs=1, batch_size=8))
    card = modelfile.export(run.key, tmp_path / "model.safetensors").read_text()
    assert "* Data set: My faces\n" in card and str(tmp_path) not in card
    assert "wears a mask.\nHow a mask is worn was not labelled" in card and "properly" not in card


def test_a_run_stored_before_data_sets_were_recorded_is_exported_without_the_name(run, tmp_path):
    older = shutil.copytree(run.folder, tmp_path / run.key)
    record = json.loads((older / "provenance.json").read_text())
    assert (record.pop("dataset"), "wear" in record.pop("attributes")) == ("synthetic", True)
    (older / "provenance.json").write_text(json.dumps(record))
    card = modelfile.export(older, tmp_path / "model.safetensors").read_text()
    assert "* Data set: its name was not recorded\n" in card and "properly" not in card
    assert "how a mask is worn was not recorded" in card


def test_export_from_the_command_line_names_what_it_wrote(run, tmp_path, capsys):
    assert cli.main(["export", run.key, str(tmp_path / "deep" / "model.safetensors")]) == 0
    assert capsys.readouterr().out.strip().endswith("model.md")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["model.md", "model.safetensors"]
    assert cli.main(["export", run.key, str(tmp_path / "model.pt")]) == 2
    assert ".safetensors" in capsys.readouterr().err
    assert cli.main(["export", "0123456789abcdef", str(tmp_path / "other.safetensors")]) == 2


class Dangerous:
    """Makes a file if it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_a_pickle_is_refused_and_not_run(home, tmp_path, capsys, write):
    with (tmp_path / "model.safetensors").open("wb") as file:
        write(Dangerous(tmp_path / "trace"), file)
    assert cli.main(["predict", str(tmp_path / "model.safetensors"), "photo.png"]) == 2
    assert "is a pickle" in capsys.readouterr().err
    assert not (tmp_path / "trace").exists()


def test_a_header_whose_length_begins_like_a_pickle_is_no_pickle(tmp_path):
    path = tmp_path / "model.safetensors"
    for length in range(256):
        save_file({"weight": torch.zeros(2)}, path, {"note": "x" * length})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    with pytest.raises(UsageError, match="not what they are for"):
        modelfile.load(path)


def test_a_file_that_is_no_whole_exported_model_is_named(run, exported, tmp_path):
    whole = exported.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.safetensors").write_text("hello")
    save_file({"weight": torch.zeros(2)}, tmp_path / "bare.safetensors")
    for name in ("cut", "text"):
        with pytest.raises(UsageError, match="is no model"):
            modelfile.load(tmp_path / f"{name}.safetensors")
    for bare in (tmp_path / "bare.safetensors", run.folder / "weights.safetensors"):
        with pytest.raises(UsageError, match="not what they are for"):
            modelfile.load(bare)


@pytest.mark.parametrize(
    "change", [{"side": 10**6}, {"model": "alexnet"}, {"side": "32"}, {"activation": "relu; import os"}]
)
def test_an_exported_file_whose_configuration_was_changed_is_refused(exported, tmp_path, change):
    with safe_open(str(exported), "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    metadata["config"] = json.dumps(json.loads(metadata["config"]) | change)
    save_file(tensors, tmp_path / "changed.safetensors", metadata)
    with pytest.raises(FmlibError, match=r"damaged|unknown activation"):
        modelfile.load(tmp_path / "changed.safetensors")


def test_an_unknown_run_is_misuse(home):
    with pytest.raises(UsageError, match="no classifier run"):
        fmlib.predict("0123456789abcdef", [])


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors", "provenance.json"])
@pytest.mark.parametrize("how", ["cut", "changed", "gone"])
def test_a_damaged_run_judges_nothing(run, tmp_path, capsys, name, how):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    content = (folder / name).read_bytes()
    middle = len(content) // 2
    if how == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(
            content[:middle] + (b"" if how == "cut" else b"\xff" * 9 + content[middle + 9 :])
        )
    for command in (
        ["predict", folder, photograph(tmp_path / "a.png")],
        ["export", folder, tmp_path / "m.safetensors"],
    ):
        status, lines, err = printed(capsys, *command)
        assert status == 1 and not lines and "is damaged" in err and "trains it again" in err
    assert not (tmp_path / "m.safetensors").exists()


def test_a_card_is_written_whatever_the_names_of_the_images(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    table = (folder / "predictions.csv").read_bytes()
    (folder / "predictions.csv").write_bytes(
        table.replace(b".jpg", b"\xff.jpg").replace(b".png", b"\xff.png")
    )
    assert b"\xff" in (folder / "predictions.csv").read_bytes()
    assert "mask or no mask" in modelcard.write(folder)
