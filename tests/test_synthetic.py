"""The rendered faces: pure functions of their arguments, labels that mean wearing properly, exact regions."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from fmlib.data import synthetic
from fmlib.data.rendering import plan
from fmlib.data.rendering.picture import photograph
from fmlib.data.rendering.scene import KINDS, WEARS, compose
from fmlib.data.synthetic import FOLDERS, regions, render, write
from fmlib.errors import UsageError

SIDE = 48


@pytest.fixture(scope="module")
def samples():
    return [render(3, index, SIDE) for index in range(300)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("synthetic") / "set"
    write(path, 24, seed=5, side=SIDE, progress=False)
    return path


def content(folder: Path) -> dict:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_same_arguments_give_the_same_pixels():
    first, second = render(1, 17, SIDE), render(1, 17, SIDE)
    for one, other in zip(first[:3], second[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert first[3:] == second[3:]
    assert (render(2, 17, SIDE).image != first.image).any()


def test_another_process_draws_the_same_pixels():
    code = "from fmlib.data.synthetic import render; open(1, 'wb').write(render(1, 17, 48).image.tobytes())"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    drawn = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment
    ).stdout
    assert drawn == render(1, 17, SIDE).image.tobytes()


def test_every_side_shows_the_same_scene():
    for index in range(6):
        small, large = render(0, index, 48), render(0, index, 144)
        assert small.attributes == large.attributes
        shrunk = np.asarray(Image.fromarray(large.image).resize((48, 48), Image.Resampling.BOX), float)
        assert np.corrcoef(shrunk.ravel(), small.image.ravel())[0, 1] > 0.9
        assert abs(large.lower_face.mean() - small.lower_face.mean()) < 0.03


def test_shapes_and_types(samples):
    for sample in samples[:20]:
        assert sample.image.shape == (SIDE, SIDE, 3) and sample.image.dtype == np.uint8
        assert sample.mask_region.shape == sample.lower_face.shape == (SIDE, SIDE)
        assert sample.mask_region.dtype == sample.lower_face.dtype == bool


def test_label_one_means_worn_properly(samples):
    for sample in samples:
        assert sample.label == (sample.attributes["wear"] == "proper")
        assert (sample.attributes["mask_kind"] in KINDS) == (sample.attributes["wear"] != "none")
        assert sample.attributes["occluder"] == "" or sample.attributes["wear"] == "none"


def test_classes_are_balanced_and_every_way_of_wearing_occurs(samples):
    assert np.mean([sample.label for sample in samples]) == 0.5
    wears = [sample.attributes["wear"] for sample in samples]
    assert set(wears) == set(WEARS)
    assert 0.7 < np.mean([wear == "none" for wear in wears if wear != "proper"]) < 0.9
    assert {sample.attributes["occluder"] for sample in samples} == {"", "hand", "scarf", "cup"}


def test_all_ten_skin_tones_occur_and_darken_in_order(samples):
    tones = [sample.attributes["skin_tone"] for sample in samples]
    assert set(tones) == set(range(1, 11))
    means = [
        np.mean([compose(0, i, 0).skin.mean() for i in range(300) if compose(0, i, 0).skin_tone == t])
        for t in (2, 6, 10)
    ]
    assert means[0] > means[1] > means[2]


def test_a_mask_region_exists_exactly_where_a_mask_is_worn(samples):
    for sample in samples:
        worn = sample.attributes["wear"] != "none"
        if not worn:
            assert not sample.mask_region.any()
        elif sample.attributes["wear"] == "proper":
            assert sample.mask_region.mean() > 0.02


def test_a_proper_mask_covers_most_of_the_lower_face(samples):
    covered = [
        (sample.mask_region & sample.lower_face).sum() / sample.lower_face.sum()
        for sample in samples
        if sample.attributes["wear"] == "proper"
    ]
    assert np.mean(covered) > 0.65 and np.quantile(covered, 0.05) > 0.4


def covered_at(index: int, wear: str, y: float, z: float) -> bool:
    """Whether the mask, worn so on a head seen from the front, covers the point (0, y, z) of that head."""
    bare = replace(compose(0, index, 1), wear=wear, yaw=0.0, pitch=0.0, beard="", hair="short", hat="")
    column, row = np.round(bare.view.project([(0, y, z)], SIDE)[0]).astype(int)
    inside = 0 <= row < SIDE and 0 <= column < SIDE
    return inside and bool(photograph(bare, SIDE).mask_region[row, column])


@pytest.mark.parametrize(
    ("wear", "nose", "mouth"),
    [("proper", True, True), ("under_nose", False, True), ("on_chin", False, False)],
)
def test_the_way_of_wearing_decides_what_is_covered(wear, nose, mouth):
    assert np.mean([covered_at(index, wear, 0.5, 1.4) == nose for index in range(12)]) == 1
    assert np.mean([covered_at(index, wear, 0.92, 1.2) == mouth for index in range(12)]) == 1


def test_copies_come_from_originals_of_their_own_label(samples):
    copies = [(index, sample) for index, sample in enumerate(samples) if sample.attributes["copy"]]
    assert {sample.attributes["copy"] for _, sample in copies} == set(plan.COPIES)
    for index, sample in copies:
        source = samples[sample.attributes["origin"]]
        assert sample.attributes["origin"] < index
        assert source.attributes["copy"] == "" and source.label == sample.label
        assert source.attributes["wear"] == sample.attributes["wear"]
        assert (source.image != sample.image).any()
    for index, sample in enumerate(samples):
        assert sample.attributes["copy"] or sample.attributes["origin"] == index


def test_a_mirrored_copy_mirrors_image_region_and_yaw(samples):
    mirrored = next(sample for sample in samples if sample.attributes["copy"] == "mirror")
    source = samples[mirrored.attributes["origin"]]
    np.testing.assert_array_equal(mirrored.lower_face, source.lower_face[:, ::-1])
    assert mirrored.attributes["yaw"] == -source.attributes["yaw"]
    assert np.abs(mirrored.image.astype(float) - source.image[:, ::-1]).mean() < 8


def test_the_share_of_planted_copies_and_that_some_cross_the_splits():
    origins = [plan.origin(0, index) for index in range(1000)]
    copies = [index for index, source in enumerate(origins) if source != index]
    assert 0.10 <= len(copies) / 1000 <= 0.14
    assert any(plan.slot(0, i)[1] == "Test" and plan.slot(0, origins[i])[1] == "Train" for i in copies)


def test_a_set_of_twenty_fills_every_split_and_class():
    places = [synthetic.location(9, index).rsplit("/", 1)[0] for index in range(20)]
    assert {place: places.count(place) for place in places} == {
        f"{split}/{name}": count
        for split, count in (("Train", 7), ("Validation", 1), ("Test", 2))
        for name in FOLDERS
    }


def test_written_files_attributes_and_regions_are_what_was_rendered(folder):
    with open(folder / "attributes.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 == len(list(folder.rglob("*.jpg")))
    masks, lowers = regions(folder, [row["path"] for row in rows])
    for index, row in enumerate(rows):
        sample = render(5, index, SIDE)
        np.testing.assert_array_equal(masks[index], sample.mask_region)
        np.testing.assert_array_equal(lowers[index], sample.lower_face)
        assert {key: str(value) for key, value in sample.attributes.items()} == {
            k: v for k, v in row.items() if k != "path"
        }
        stored = np.asarray(Image.open(folder / row["path"]), float)
        assert np.abs(stored - sample.image).mean() < 2
        assert Path(row["path"]).parent.name == FOLDERS[sample.label]


def test_regions_come_in_the_order_asked_for(folder):
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    forward, backward = regions(folder, paths)[1], regions(folder, paths[::-1])[1]
    np.testing.assert_array_equal(forward, backward[::-1])


def test_the_same_seed_writes_the_same_bytes_in_one_process_or_several(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "SERIAL", 0)
    write(tmp_path / "again", 24, seed=5, side=SIDE, progress=False)
    assert content(tmp_path / "again") == content(folder)


def test_refusals(folder, tmp_path):
    with pytest.raises(UsageError, match="not empty"):
        write(folder, 24, progress=False)
    with pytest.raises(UsageError, match="at least 20"):
        write(tmp_path / "few", 19, progress=False)
    with pytest.raises(UsageError, match="negative"):
        render(-1, 0)
    with pytest.raises(UsageError, match="16 to 1024"):
        render(0, 0, 8)
    with pytest.raises(UsageError, match="no regions"):
        regions(tmp_path, [])
    with pytest.raises(UsageError, match="nowhere"):
        regions(folder, ["nowhere.jpg"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        write(tmp_path / "file" / "set", 20, progress=False)


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("pen is dry")

    monkeypatch.setattr(synthetic, "_save", broken)
    with pytest.raises(RuntimeError, match="pen is dry"):
        write(tmp_path / "set", 20, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_no_mean_colour_or_brightness_tells_the_label(samples):
    labels = np.array([sample.label for sample in samples])
    images = np.stack([sample.image for sample in samples]).astype(float)
    corners = images[:, :8].reshape(len(images), -1, 3).mean(1)  # above the face
    for values in (images.mean((1, 2)), images.mean((1, 2, 3))[:, None], corners):
        values = (values - values.mean(0)) / values.std(0)
        model = LogisticRegression().fit(values[:150], labels[:150])
        assert 0.3 < roc_auc_score(labels[150:], model.decision_function(values[150:])) < 0.7
