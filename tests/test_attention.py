"""From runs to tables, sentences, results rows and figures of the Grad-CAM stage, on a handful of rendered faces."""

import shutil
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from fmlib import attention, gradcam_rows, models, portraits, readings
from fmlib.config import ClassifierConfig
from fmlib.data import sources, synthetic
from fmlib.data.sources import Dataset
from fmlib.explain import METHODS
from fmlib.explain.tables import RIVALS
from fmlib.faces import Faces, sample
from fmlib.figures import gradcam as figures

SIDE = 32


@dataclass(frozen=True)
class FakeRun:
    """Stands in for a stored run: an untrained network, which judges all images of a data set."""

    key: str
    config: ClassifierConfig
    data: Dataset

    def model(self) -> torch.nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            return models.build("resnet18", side=SIDE).eval()

    @cached_property
    def predictions(self) -> pd.DataFrame:
        probability = np.random.default_rng(self.config.seed).random(len(self.data.manifest))
        return pd.DataFrame({"path": self.data.manifest["path"], "probability": probability})

    def __hash__(self) -> int:
        return hash(self.key)


class FakeStage:
    def __init__(self):
        self.rows = []

    def row(self, **fields) -> None:
        self.rows.append(fields)


@pytest.fixture(scope="module", params=["rendered", "unknown"])
def faces(request, tmp_path_factory):
    """Faces whose regions and pose are known, and the same ones as if they were photographs."""
    folder = tmp_path_factory.mktemp("faces") / "set"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMLIB_HOME", str(tmp_path_factory.mktemp("home")))
        synthetic.write(folder, 30, seed=1, side=48, progress=False)
        if request.param == "unknown":
            (folder / "regions.npz").unlink()
            (folder / "attributes.csv").unlink()
        data = sources.load(str(folder), progress=False)
        yield Faces(data, np.arange(0, 30, 2), SIDE)


@pytest.fixture(scope="module")
def fakes(faces):
    names = ("resnet18", "alexnet")
    return [
        FakeRun(f"run{seed}", ClassifierConfig(model=n, seed=seed), faces.data)
        for seed, n in enumerate(names)
    ]


def test_the_bands_share_out_every_image(faces):
    assert torch.equal(
        sum(band.int() for band in faces.bands.values()), torch.ones(15, SIDE, SIDE, dtype=torch.int)
    )
    assert ("mask" in faces.regions) == faces.known == (faces.outline is not None)


@pytest.mark.parametrize(
    "left", ["other things", "some of the images", "nothing", "nothing that can be read"]
)
def test_regions_that_do_not_tell_of_every_image_are_not_used(faces, tmp_path, left):
    if not faces.known:
        pytest.skip("these images have no regions to be spoilt")
    shutil.copytree(faces.data.root, tmp_path / "set")
    path = tmp_path / "set" / "regions.npz"
    with np.load(path) as archive:
        stored = dict(archive)
    if left.startswith("nothing"):
        path.write_bytes(b"" if left == "nothing" else b"PK not an archive")
    elif left == "other things":
        np.savez(path, boxes=np.zeros(3))
    else:
        stored["paths"] = np.where(stored["paths"] == faces.manifest["path"][0], "gone", stored["paths"])
        np.savez(path, **stored)
    spoilt = replace(faces, data=replace(faces.data, root=tmp_path / "set"))
    assert not spoilt.known and spoilt.outline is None and "mask" not in spoilt.regions
    assert set(spoilt.bands) != set(faces.bands)


@pytest.mark.parametrize("change", [{"yaw": "left"}, {"yaw": np.nan}, {"wear": "yes"}, {}])
def test_poses_are_taken_from_attributes_where_they_tell_them(faces, change):
    table = faces.data.manifest
    kept = table.assign(**change) if change else table.drop(columns="occluder", errors="ignore")
    other = replace(faces, data=replace(faces.data, manifest=kept))
    told = set(portraits.posed(other, 1, np.ones(15)))
    assert told == (
        {"frontal", "at an angle"} if faces.known and "wear" in change else {"symmetric", "asymmetric"}
    )


def test_a_sample_of_images_of_one_class_is_of_that_class(faces):
    bare = np.flatnonzero(
        faces.data.manifest["label"] == 0
    )  # as on FaceMask 12K, where every masked image leaks
    few = sample(faces.data, bare, SIDE, 6)
    assert 0 < len(few.rows) <= 8 and not few.labels.any()
    assert readings.images(few) == f"{len(few.rows)} images, 0 of them with a mask"


def test_tables_figures_and_sentences_of_where_maps_lie(faces, fakes):
    looks = {run.config.model: attention.look(run, faces) for run in fakes}
    measured = {model: table for model, (table, _) in looks.items()}
    prior = attention.prior(faces)
    means = {model: mean for model, (_, mean) in looks.items()}
    assert isinstance(figures.gradcam_localisation(measured, means, prior, faces.outline), Figure)
    assert all(f"* {name} looks at" in readings.where(measured, faces) for name in ("ResNet-18", "AlexNet"))
    assert readings.by_attribute(measured, faces).empty != faces.known


def test_a_model_is_asked_for_what_the_mask_itself_would_reach(faces, fakes):
    measured, prior = (
        {run.config.model: attention.look(run, faces)[0] for run in fakes},
        attention.prior(faces),
    )
    limits = readings.ceilings({run.config.model: run for run in fakes}, faces, prior)
    said = readings.verdict(measured, prior, limits)
    assert (
        ("* AlexNet **cannot be tested**" in said) == ("2 × 2 cells" in said) == faces.known == bool(limits)
    )
    half = {model: readings.Ceiling((4, 4), 1.0, 1.0) for model in limits}
    assert ("asked: 95%), and" in readings.verdict(measured, prior, half)) == faces.known
    assert ("(not asked of so coarse a map)." in readings.verdict(measured, prior, half)) == faces.known
    fine = {model: readings.Ceiling((9, 9), 1.0, 9.0) for model in limits}
    assert ("* AlexNet **fails**" in readings.verdict(measured, prior, fine)) == faces.known
    if faces.known:
        assert readings.headline(measured, prior, limits).startswith("No map is fine enough")
        assert (
            readings.headline(measured, prior, fine) == "0 of 2 models passed the test of looking at the mask"
        )
        one = readings.headline(measured, prior, {**fine, "resnet18": limits["resnet18"]})
        assert one.startswith("0 of 1 model passed") and one.endswith(
            "too coarse for it are the maps of ResNet-18"
        )


def test_curves_sentences_and_rows_of_a_whole_stage(faces, fakes):
    measured, prior = (
        {run.config.model: attention.look(run, faces)[0] for run in fakes},
        attention.prior(faces),
    )
    curves = {run.config.model: attention.curves(run, faces.first(6), 3) for run in fakes}
    cascades = {run.config.model: attention.cascade(run, faces.first(6), 2) for run in fakes}
    assert isinstance(figures.gradcam_faithfulness(curves, cascades, "alexnet"), Figure)
    assert set(curves["alexnet"]["maps"]) == {*METHODS, *RIVALS}
    assert readings.faithful(curves).count("\n") == 5 and "ResNet-18" in readings.sanity(cascades)
    confidence = attention.confidence(fakes[0], faces.first(6))
    assert "ROAD" in readings.confident(confidence)

    classes = {run.config.model: attention.alike(run, faces.first(6)) for run in fakes}
    assert "ResNet-18" in readings.classes(classes)

    stage = FakeStage()
    gradcam_rows.places(stage, fakes[0], measured["resnet18"])
    gradcam_rows.curves(stage, fakes[0], curves["resnet18"], "clean")
    gradcam_rows.confidence(stage, fakes[0], confidence)
    gradcam_rows.classes(stage, fakes[0], classes["resnet18"])
    gradcam_rows.prior(stage, prior)
    rows = {(row["model"], row["metric"]): row for row in stage.rows}
    assert {("resnet18", f"{metric}_auc") for metric in ("deletion", "insertion")} <= set(rows)
    assert rows["resnet18", "insertion_advantage_over_centre_prior"]["view"] == "clean"
    assert (
        rows["resnet18", "class_similarity"]["value"] < 0
    )  # what speaks for one class speaks against the other
    assert ("centre prior", "border_energy") in rows and ("resnet18", "border_energy") in rows
    assert (("resnet18", "pointing_game") in rows) == faces.known == (("resnet18", "energy_inside") in rows)
    known = [row for row in stage.rows if not np.isnan(row["low"])]  # six images have fewer groups
    assert known and all(row["low"] <= row["value"] <= row["high"] for row in known)


def test_a_random_map_is_as_coarse_as_the_models_own(faces, fakes):
    orders = attention._orders(attention.model(fakes[0]), faces)
    steps = {name: (maps[:, 1:] - maps[:, :-1]).abs().mean().item() for name, maps in orders.items()}
    assert steps["random map"] < 0.1 < 0.3 < steps["random order"]
    assert orders["random map"].flatten(1).unique(dim=0).shape[0] == len(
        faces.rows
    )  # another for every image


def test_maps_that_lie_on_smeared_borders_are_noticed(faces):
    if not faces.known:
        pytest.skip("of these images it is not known which are altered copies")
    altered = faces.altered
    assert 0 < altered.sum() < len(altered)
    frame = pd.DataFrame({"maps": "gradcam", "region": "frame", "image": [*range(15)] * 6, "area": 0.36})
    frame["group"] = range(90)
    altered = np.tile(altered, 6)
    kinds = {"looks": np.where(altered, 0.9, 0.1), "does not": np.where(altered, 0.1, 0.2)}
    tables = {(model, "official"): frame.assign(energy=energy) for model, energy in kinds.items()}
    found = readings.borders(tables, faces)
    assert found.loc[[("looks", "official")], "difference"].item() == pytest.approx(0.8)
    first, second = readings.smeared(found).splitlines()[-2:]
    assert "looks more at" in first and "no sign" in second
    stage = FakeStage()
    gradcam_rows.borders(stage, fake_of(faces), found.iloc[0])
    assert stage.rows[0]["metric"] == "border_energy_altered_less_others" and stage.rows[0]["n"] == 90


def fake_of(faces) -> FakeRun:
    return FakeRun("any", ClassifierConfig(model="resnet18", split="official"), faces.data)


def test_altered_copies_are_known_by_the_name_that_a_tool_gave_them(faces):
    if faces.known:
        pytest.skip("rendered images say themselves what was done to them")
    assert faces.altered is None and readings.borders({}, faces).empty
    assert "no image" in readings.smeared(readings.borders({}, faces))
    manifest = faces.data.manifest.assign(
        path=[f"Augmented_{i // 2}_77.png" if i % 4 else "1.png" for i in range(30)]
    )
    named = Faces(replace(faces.data, manifest=manifest), faces.rows, SIDE)
    assert named.altered.tolist() == [i % 4 > 0 for i in range(0, 30, 2)]


def test_a_measurement_is_made_once(faces, fakes, monkeypatch):
    first, _ = attention.look(fakes[0], faces)
    monkeypatch.setattr(attention, "explainer", None)
    again, _ = attention.look(fakes[0], faces)
    pd.testing.assert_frame_equal(first, again)


def test_portraits_show_two_poses_by_every_model_and_the_hardest_face_for_both_classes(faces, fakes):
    strips = portraits.strips(fakes, faces, label=1)
    poses = ("frontal", "at an angle") if faces.known else ("symmetric", "asymmetric")
    assert [strip.face for strip in strips[:4]] == [poses[0]] * 2 + [poses[1]] * 2
    assert [strip.explained for strip in strips[4:]] == [1, 0]
    assert strips[4].probability + strips[5].probability == pytest.approx(1)
    assert all(len(strip.pictures) == 5 and strip.pictures[4].shape == (SIDE, SIDE, 3) for strip in strips)
    assert isinstance(figures.gradcam_mask(strips), Figure) and isinstance(
        figures.gradcam_no_mask(strips), Figure
    )


def test_symmetry_is_one_for_a_mirror_image_and_lower_for_another():
    half = np.random.default_rng(0).integers(0, 255, (1, 8, 4, 3)).astype(np.uint8)
    whole = np.concatenate([half, half[:, :, ::-1]], axis=2)
    lopsided = np.concatenate([half, 255 - half[:, :, ::-1]], axis=2)
    assert portraits.symmetry(whole)[0] == pytest.approx(1) and portraits.symmetry(lopsided)[0] < 0
