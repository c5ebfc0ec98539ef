"""The audit: hashes are found as by brute force, altered copies by their looks, leaks and conflicts are counted."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from fmlib.config import REPO
from fmlib.data import audit, copies, facts, groups, hashing, relatives, shortcuts, sources
from fmlib.data.looks import look, sameness
from fmlib.data.resolution import matched
from fmlib.figures import data as figures

SHARED = REPO.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def faces():
    """Rendered faces, none a copy of another."""
    from fmlib.data import synthetic

    samples = (synthetic.render(5, index) for index in range(40))
    return [Image.fromarray(each.image) for each in samples if not each.attributes["copy"]]


def turned(image):
    return image.rotate(12, Image.Resampling.BICUBIC).resize((130, 110)).crop((8, 6, 118, 104))


@pytest.mark.parametrize("distance", [0, 1, 4, 7])
def test_near_pairs_are_those_of_brute_force(distance):
    rng = np.random.default_rng(distance)
    hashes = rng.integers(0, 2**64, 150, dtype=np.uint64)
    flips = [
        np.bitwise_or.reduce(rng.choice(hashing.WEIGHTS, number % 9, False), initial=0)
        for number in range(150)
    ]
    hashes = np.concatenate([hashes, hashes ^ np.array(flips, dtype=np.uint64)])
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= distance
    found = groups.components(hashing.near_pairs(hashes, distance), 300)
    expected = groups.components(np.argwhere(near), 300)
    assert (found[:, None] == found[None]).tolist() == (expected[:, None] == expected[None]).tolist()


@pytest.mark.parametrize("count, distance", [(10**4, 4), (10**6, 4), (10**8, 4), (10**6, 8)])
def test_plan_loses_no_pair(count, distance):
    blocks, kept = hashing.plan(count, distance)
    assert blocks - kept >= distance  # however the differing bits fall, `kept` blocks are free of them


def test_hash_of_a_mirrored_picture_differs_in_known_bits(faces):
    thumbnails = np.stack([hashing.thumbnail(face) for face in faces])
    plain, mirrored = hashing.phash(thumbnails), hashing.phash(thumbnails[:, :, ::-1])
    assert np.bitwise_count(plain ^ mirrored ^ hashing.MIRRORED).max() <= 2  # rounding at zero
    pairs = hashing.near_pairs(np.concatenate([plain, mirrored]), mirrors=True)
    assert {(row, row + len(faces)) for row in range(len(faces))} <= {tuple(pair) for pair in pairs}


def test_altered_copies_are_found_and_nothing_else(faces):
    altered = [
        turned(ImageOps.mirror(face)) if number % 2 else turned(face) for number, face in enumerate(faces)
    ]
    pictures = faces + altered
    pairs = copies.find(lambda row: pictures[row], len(pictures), progress=False)
    assert (pairs[:, 0] % len(faces) == pairs[:, 1] % len(faces)).all()
    assert len(pairs) >= 0.9 * len(faces)


def test_sameness_is_symmetric_enough_and_one_for_itself(faces):
    first = look(faces[0])
    assert sameness(first, first) > 0.99
    there = [sameness(look(face), look(turned(face))) for face in faces[:12]]
    back = [sameness(look(turned(face)), look(face)) for face in faces[:12]]
    assert np.median(there) > 0.9 and np.median(back) > 0.9
    assert sameness(first, look(faces[1])) < 0.7
    assert sameness(first, look(Image.new("RGB", (50, 50)))) == 0


def test_names_tell_origins():
    names = {
        "Train/WithMask/Augmented_17_5371166.png": "Augmented_17",
        "a/face_12_jpg.rf.0123456789abcdef0123.jpg": "face_12_jpg",
        "a/b_original_me.png_8d6f0a5e-1111-2222-3333-444455556666.png": "me.png",
        "IMG_2020_1234.jpg": "",
    }
    assert {path: groups.name_origin(path) for path in names} == names


def test_originals_of_numbered_copies_are_told_by_their_order():
    paths = [
        "a/10.jpg",
        "b/2.jpg",
        "a/Augmented_0_77.jpg",
        "b/Augmented_1_5.jpg",
        "a/Augmented_0_9.jpg",
        "a/5.jpg",
    ]
    table = pd.DataFrame({"path": paths, "label": [1, 1, 1, 1, 1, 0], "sha256": list("abcdef")})
    first, second = "name:Augmented_0", "name:Augmented_1"
    assert groups.keys(table).tolist() == [first, second, first, second, first, "sha256:f"]
    assert groups.keys(table.drop(1)).tolist()[0] == "sha256:a"  # not as many originals as numbers


def planted(root, faces):
    """Faces spread over splits: one leaks by bytes, one by looks, one carries both labels, two show nothing."""
    for number, face in enumerate(faces[:30]):
        side, name = ("Train", "Test")[number % 5 == 0], ("WithMask", "WithoutMask")[number % 2]
        (root / side / name).mkdir(parents=True, exist_ok=True)
        face.save(root / side / name / f"{number}.png")
    shutil.copy(root / "Train" / "WithMask" / "2.png", root / "Test" / "WithMask" / "twin.png")
    turned(faces[4]).save(root / "Test" / "WithMask" / "turned.png")
    shutil.copy(root / "Train" / "WithMask" / "6.png", root / "Train" / "WithoutMask" / "other.png")
    for side in ("Train", "Test"):
        Image.new("RGB", (64, 64)).save(root / side / "WithMask" / "black.png")
    (root / "Train" / "WithMask" / "text.png").write_text("none")
    return root


def test_audit_finds_what_was_planted(tmp_path, faces):
    found = audit.audit(planted(tmp_path / "set", faces), progress=False)
    assert found.images == 35
    assert list(found.unreadable) == ["Train/WithMask/text.png"]
    assert found.blank == ["Test/WithMask/black.png", "Train/WithMask/black.png"]
    assert found.conflicts == [["Train/WithMask/6.png", "Train/WithoutMask/other.png"]]
    assert ["Test/WithMask/turned.png", "Train/WithMask/4.png"] in found.groups
    assert found.leaks["test"] == {"images": 9, "share an origin": 3, "same bytes": 2, "groups": 3}
    assert json.loads(json.dumps(found.to_dict()))["schema"] == 1
    assert "3 of 9 test images share an origin" in str(found)


def test_found_copies_are_remembered_by_content(tmp_path, faces, monkeypatch):
    data = sources.load(str(planted(tmp_path / "set", faces)), progress=False)
    shutil.move(tmp_path / "set", tmp_path / "moved")
    monkeypatch.setattr(copies, "find", None)  # must not be called again
    again = sources.load(str(tmp_path / "moved"), progress=False)
    assert again.fingerprint == data.fingerprint
    assert len(relatives.find(again.root, again.manifest)) > 0


def test_a_set_of_blank_pictures_is_audited(tmp_path):
    for name, tone in (("WithMask", 0), ("WithoutMask", 100)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (32, 32), (tone + 10 * number,) * 3).save(
                tmp_path / "set" / name / f"{number}.png"
            )
    found = audit.of(sources.external(tmp_path / "set", progress=False), progress=False)
    assert len(found.blank) == 6 and not found.groups


def test_shortcut_scores_find_a_width_that_tells_and_noise_that_does_not():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 600)
    features = pd.DataFrame(
        {"width": 100 + 50 * labels + rng.normal(0, 5, 600), "height": rng.normal(size=600)}
    )
    table = shortcuts.scores(features, labels, np.arange(400), np.arange(400, 600), ["width", "height"])
    assert table["accuracy"][0] > 0.98 and table["accuracy"][1] < 0.65
    assert shortcuts.strong(table)["shortcut"].tolist() == ["width"]
    rows = np.concatenate([np.arange(400), np.repeat(np.arange(400, 600), 3)])
    asked = (features.loc[rows], labels[rows], np.arange(400), np.arange(400, 1000), ["width", "height"])
    copies = shortcuts.scores(*asked, groups=rows)
    assert (copies.pop("n") == 3 * table.pop("n")).all()
    pd.testing.assert_frame_equal(copies, table)
    assert shortcuts.scores(features, labels, np.arange(5), np.arange(400, 600)).empty


def test_smeared_border_is_seen(faces):
    inner = np.asarray(faces[0])[12:-12, 12:-12]
    smeared = shortcuts.pixel_features(np.pad(inner, ((12, 12), (12, 12), (0, 0)), mode="edge"))
    assert smeared["border_across"] < 0.05 < shortcuts.pixel_features(np.asarray(faces[0]))["border_across"]


def test_matched_resolution_takes_the_detail_away(faces):
    sharp = shortcuts.pixel_features(shortcuts.viewed(faces[0]))["sharpness"]
    images = [faces[0], faces[0].resize((40, 40)), faces[0].resize((200, 200))]
    values = [shortcuts.pixel_features(matched(image, 64))["sharpness"] for image in images]
    assert max(values) < sharp and np.ptp(values) < 0.3


def test_figures_and_facts_of_a_small_set(tmp_path, faces):
    from matplotlib import pyplot as plt

    data = sources.load(str(planted(tmp_path / "set", faces)), progress=False)
    found = audit.of(data, progress=False)
    table = shortcuts.published(data, progress=False)
    shown = [[data.open(row) for row in rows] for rows in facts.samples(data, 4, 0)]
    pairs = [(data.open(test), data.open(train), how) for test, train, how in facts.leaking_pairs(data, 4, 0)]
    drawn = [
        figures.data_samples(shown),
        figures.data_leakage(found.leaks, data.manifest.groupby("group").size()),
        figures.data_leakage({}, [1, 1]),
        figures.data_leak_gallery(pairs),
        figures.data_shortcuts(table, table),
        figures.data_shortcuts(table[:0]),
    ]
    for figure in drawn:
        figure.canvas.draw()
        plt.close(figure)
    assert "3 of 9 test images" in facts.leak_heading(found)
    assert {row["metric"] for row in facts.rows(found, {"grouped": table})} >= {"images", "leaked_test"}


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared photographs")
def test_counts_of_face_mask_12k(monkeypatch):
    monkeypatch.setattr(relatives, "find", lambda *_: np.zeros((0, 2), int))  # names and bytes alone
    table = sources.load(str(SHARED / "face-mask-12k"), progress=False).manifest
    augmented = table["path"].str.contains("Augmented_")
    assert (len(table), augmented.sum()) == (11792, 4990)
    origins = table["path"][augmented].str.extract(r"Augmented_(\d+)_")[0]
    assert origins.nunique() == 893
    trained = set(origins[table["split"] == "train"])
    for split, number in (("test", 404), ("validation", 333)):
        here = augmented & (table["split"] == split)
        assert here.sum() == number and set(origins[here[here].index]) <= trained
    leaks = audit.leaks(table)
    assert (leaks["test"]["same bytes"], leaks["validation"]["same bytes"]) == (22, 20)
    assert leaks["test"]["share an origin"] >= 483 - 57
