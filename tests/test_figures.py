"""Figures on made-up data: drawn, labelled, of sane size, and leaving the caller's settings alone."""

from xml.etree import ElementTree

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fmlib import evaluation, wording
from fmlib.config import ACTIVATIONS, ARCHITECTURES, OPTIMIZERS
from fmlib.errors import FmlibError
from fmlib.figures import classifier, direct, quality, style
from fmlib.figures import metrics as figures

MODELS = (*ARCHITECTURES, "resnet34", "resnet50", "efficientnet-b1", "compact", "my-own")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def predictions(models=2, views=("test",), schemes=("grouped",), seeds=1, n=60, strength=3.0) -> pd.DataFrame:
    """What made-up models say of made-up images."""
    random, parts = np.random.default_rng(0), []
    labels = {view: random.permutation(np.arange(n) % 2) for view in views}
    for model in MODELS[:models]:
        for split in schemes:
            for seed in range(seeds):
                for view in views:
                    logit = (2 * labels[view] - 1) * strength + 2 * random.normal(size=n)
                    names = {"path": [f"{i}.jpg" for i in range(n)], "group": np.arange(n).astype(str)}
                    keys = {
                        "model": model,
                        "split": split,
                        "seed": seed,
                        "run": f"{model}{split}{seed}",
                        "view": view,
                    }
                    p = 1 / (1 + np.exp(-logit))
                    known = {
                        "label": labels[view],
                        "logit": logit,
                        "probability": p,
                        "calibrated": p,
                        "temperature": 1.0,
                    }
                    parts.append(pd.DataFrame({**keys, **names, **known}))
    return pd.concat(parts, ignore_index=True)


def summary(table: pd.DataFrame, monkeypatch) -> pd.DataFrame:
    monkeypatch.setattr(evaluation.tables, "remembered", lambda name, inputs, compute: compute())
    return evaluation.over_seeds(evaluation.scores(table))


def costs(models: int) -> pd.DataFrame:
    numbers = {"parameters": 4e6, "flops": 1e8, "train_seconds": 30.0, "images_per_second": 400.0}
    return pd.DataFrame(
        [{"model": m, **{k: v * (i + 1) for k, v in numbers.items()}} for i, m in enumerate(MODELS[:models])]
    )


def history(names=("resnet18", "alexnet"), seeds=2, epochs=4) -> pd.DataFrame:
    rows = [
        (n, s, e, 1 / e, 1.1 / e, 1 - 0.3 / e, 1 - 0.4 / e)
        for n in names
        for s in range(seeds)
        for e in range(1, epochs + 1)
    ]
    kinds = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
    return pd.DataFrame(rows, columns=["name", "seed", "epoch", *kinds])


def check(figure, tmp_path, labelled: bool = True) -> Image.Image:
    """Draw the figure; it is not blank, and its axes with data say what they show."""
    figure.savefig(tmp_path / "figure.png", dpi=50)
    image = Image.open(tmp_path / "figure.png")
    assert np.asarray(image.convert("L")).std() > 5
    drawn = [ax for ax in figure.get_axes() if ax.axison and ax.lines]
    if labelled:
        assert drawn and all(ax.get_xlabel() for ax in drawn)
    return image


def test_report_restores_settings():
    before = dict(mpl.rcParams)
    with style.report():
        assert mpl.rcParams["axes.spines.top"] is False
        mpl.rcParams["font.size"] = 99
    assert dict(mpl.rcParams) == before


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize(
    "names", [ARCHITECTURES, OPTIMIZERS, (*ACTIVATIONS, "swish"), ("official", "grouped")]
)
def test_colours_are_distinct_and_readable_on_white(names):
    colours = [style.colour(name) for name in names]
    assert len(set(colours)) == len(names)
    assert all(1.05 / (luminance(colour) + 0.05) >= 4.5 for colour in colours)


def test_unknown_names_keep_their_colour_and_get_a_readable_label():
    assert style.colour("my-own") == style.colour("my-own") in style.PALETTE
    assert wording.label("external:street_photos") == "street_photos"
    assert [wording.label(n) for n in ("resnet18", "efficientnet-b2", "adam", "new_thing")] == [
        "ResNet-18",
        "EfficientNet-B2",
        "Adam",
        "new thing",
    ]


def test_save_keeps_provenance_and_the_figure(tmp_path):
    figure = classifier.classifier_curves(history())
    path = style.save(figure, tmp_path / "new" / "a.png", {"commit": "abc", "note": "ä"})
    assert Image.open(path).text == {"commit": "abc", "note": "ä"}
    assert plt.fignum_exists(figure.number)


def test_line_figures_are_saved_as_svg_too_with_provenance_and_the_same_bytes_each_time(tmp_path):
    provenance = {"Software": "fmlib", "fmlib": '{"commit": "abc<&>", "seed": 0}'}
    written = []
    for name in ("a.svg", "b.svg"):
        figure, ax = plt.subplots()
        ax.plot([1, 2], [3, 4])
        written.append(style.save_vector(figure, tmp_path / "made" / name, provenance).read_text())
    assert written[0] == written[1]
    said = ElementTree.fromstring(written[0]).find(".//{http://purl.org/dc/elements/1.1/}description").text
    assert said == 'Software: fmlib\nfmlib: {"commit": "abc<&>", "seed": 0}'
    assert "<text" not in written[0]  # letters are outlines, so that no font has to be there


@pytest.mark.parametrize("many", ["pictures", "points"])
def test_figures_of_many_pixels_or_points_are_not_saved_as_svg(many, tmp_path):
    figure = plt.figure()
    ax = figure.subfigures(1, 2)[1].subplots()
    if many == "pictures":
        ax.imshow(np.zeros((2, 2)))
    else:
        ax.scatter(*np.random.default_rng(0).random((2, 20_000)))
    (tmp_path / "old.svg").write_text("of an earlier figure")
    assert style.save_vector(figure, tmp_path / "old.svg") is None
    assert not (tmp_path / "old.svg").exists()


def test_save_shrinks_what_is_too_large(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (6, 300, 300, 3), dtype=np.uint8)
    path = style.save(classifier.classifier_predictions(noise, np.ones(6), np.ones(6)), tmp_path / "a.png")
    assert 20_000 < path.stat().st_size <= style.SIZE_LIMIT


def test_save_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FmlibError, match="cannot write"):
        style.save(classifier.classifier_curves(history()), tmp_path / "file" / "a.png")


@pytest.mark.parametrize(
    "draw", [classifier.classifier_curves, classifier.optimizer_curves, classifier.activation_curves]
)
def test_curves(draw, tmp_path):
    before = dict(mpl.rcParams)
    figure = draw(history())
    assert dict(mpl.rcParams) == before
    check(figure, tmp_path)
    assert "2 seeds" in figure.get_supxlabel()


@pytest.mark.parametrize("table", [history(MODELS, 1, 6), history(MODELS[:1], 1, 1)])
def test_curves_of_many_and_of_one(table, tmp_path):
    figure = classifier.classifier_curves(table)
    check(figure, tmp_path)
    written = {text.get_text() for text in figure.axes[1].texts}
    assert written == {wording.label(name) for name in table.name.unique()}


@pytest.mark.parametrize("n", [1, 7, 18])
def test_classifier_predictions_mark_what_is_wrong(n, tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (n, 16, 16, 3), dtype=np.uint8)
    figure = classifier.classifier_predictions(images, np.ones(n, int), np.linspace(0.1, 1, n))
    check(figure, tmp_path, labelled=False)
    titles = [ax.get_title("left") for ax in figure.axes if ax.axison]
    assert len(titles) == n and titles[0].startswith("✗")


CASES = [
    {"models": 1},
    {
        "models": 4,
        "views": ("test", "clean", "external:other"),
        "schemes": ("official", "grouped"),
        "seeds": 2,
    },
    {"models": 8, "views": ("test", "clean", "external:a", "external:b")},
    {"models": 2, "strength": 30.0},
]


@pytest.mark.parametrize("case", CASES)
def test_metric_figures(case, tmp_path, monkeypatch):
    table = predictions(**case)
    scored, before = summary(table, monkeypatch), dict(mpl.rcParams)
    grouped = scored[scored["split"] == "grouped"]
    matrices = figures.confusion_matrices(scored)
    check(matrices, tmp_path, labelled=False)
    check(figures.roc_curves(table, scored), tmp_path)
    check(figures.precision_recall(table, scored), tmp_path)
    check(figures.architecture_comparison(scored, costs(case["models"])), tmp_path)
    check(figures.calibration(table[table["split"] == "grouped"], grouped), tmp_path)
    assert dict(mpl.rcParams) == before
    panels = len(case.get("views", ("test",))) * len(case.get("schemes", ("grouped",))) * case["models"]
    assert len(matrices.axes) == panels


def test_changed_images_have_a_row_per_model_and_a_column_per_change_in_their_order(tmp_path):
    values = {"resnet18": (1.0, 0.75), "compact strong": (0.875, 0.5)}
    found = pd.DataFrame(
        {"model": model, "change": change, "metric": metric, "seed": seed, "n": 500}
        | {"value": value + shift if metric == "recall" else 0.0}
        for model, scores in values.items()
        for change, value in zip(("small", "as they are"), scores, strict=True)
        for metric in ("recall", "auc")
        for seed, shift in enumerate((-0.125, 0.125))
    )
    figure = figures.changed_images(found, "recall")
    check(figure, tmp_path, labelled=False)
    [ax] = figure.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == [
        "ResNet-18",
        "compact network, strong augmentation",
    ]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["small", "as they are"]
    assert [text.get_text() for text in ax.texts] == ["1.00", "0.75", "0.88", "0.50"]
    assert figure.get_supxlabel().startswith("500 images, 2 seeds each")


def test_confusion_matrix_writes_shares_and_counts(monkeypatch):
    table = predictions(models=1)
    figure = figures.confusion_matrices(summary(table, monkeypatch))
    found = int(((table.label == 1) & (table.probability >= 0.5)).sum())
    assert f"{found / 30:.1%}\n{found}" in [text.get_text() for text in figure.axes[0].texts]


def test_confusion_matrix_counts_the_images_of_all_seeds():
    one = {
        "model": "resnet18",
        "split": "grouped",
        "view": "test",
        "metric": ["tp", "fp", "fn", "tn"],
        "value": 5,
    }
    figure = figures.confusion_matrices(pd.concat([pd.DataFrame(one)] * 3))
    assert {text.get_text() for text in figure.axes[0].texts} == {"50.0%\n15"}
    assert "3 seeds" in figure.get_supxlabel()


def test_one_class_has_no_curve(tmp_path, monkeypatch):
    table = predictions(models=1).assign(label=1)
    figure = figures.roc_curves(table, summary(table, monkeypatch))
    assert any("not defined" in text.get_text() for text in figure.axes[0].texts)


def breakdown(models: int) -> pd.DataFrame:
    kinds = {"wear": ("none", "proper"), "yaw": ("−10° to 10°", "above 30°"), "occluder": ("nothing", "cup")}
    rows = [
        (m, a, v, 20, 0.1, 0.02, 0.3) for m in MODELS[:models] for a, values in kinds.items() for v in values
    ]
    return pd.DataFrame(rows, columns=["model", "attribute", "value", "n", "rate", "low", "high"])


@pytest.mark.parametrize("known", [breakdown(1), breakdown(4), breakdown(0)])
@pytest.mark.parametrize("count", [0, 3, 12])
def test_errors(known, count, tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (count, 16, 16, 3), dtype=np.uint8)
    worst = pd.DataFrame({"label": [1] * count, "probability": 0.1, "wrong": 2, "runs": 4})
    figure = figures.errors(known, worst, images)
    if len(known) or count:
        check(figure, tmp_path, labelled=bool(len(known)))
    shown = sum(bool(ax.images) for ax in figure.get_axes())
    assert shown == min(count, 8 if len(known) else 24)


def test_spread_keeps_order_and_gap():
    places = direct.spread(np.array([0.1, 0.1, 0.11, 0.9]), 0.05)
    assert (np.diff(places) >= 0.05 - 1e-9).all()
    assert places[-1] == pytest.approx(0.9)
    assert places[:3].mean() == pytest.approx(0.31 / 3)


def test_a_view_without_a_defined_score_says_so(monkeypatch):
    table = pd.DataFrame(
        {"model": "resnet18", "split": "grouped", "view": ["test", "clean"], "metric": "f1"}
        | {"value": [0.9, np.nan], "low": [0.8, np.nan], "high": [0.95, np.nan]}
    )
    figure = figures.architecture_comparison(table, costs(4))
    words = [text.get_text() for part in figure.subfigs for ax in part.axes for text in ax.texts]
    assert sum("not defined" in text for text in words) == 1


def test_a_list_in_the_corner_stands_below_the_lines_of_its_title():
    figure, ax = plt.subplots()
    direct.corner_list(ax, [("resnet18", "ResNet-18 0.99")], "corner enlarged\nAUC")
    heights = {text.get_text(): text.xyann[1] for text in ax.texts}
    assert heights["corner enlarged"] > heights["AUC"] > heights["ResNet-18 0.99"]
    plt.close(figure)


def test_thousands_are_written_out_on_an_axis_of_costs():
    figure, ax = plt.subplots()
    quality._plain_log(ax, pd.Series([6_000, 57_000]))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["5,000", "10,000", "20,000", "50,000"]
    plt.close(figure)
