"""The figures of reports 03 and 04 show every arm, front end and size that their tables hold."""

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fmlib import few_images, restoration, wording
from fmlib.damage import LEVELS
from fmlib.figures import autoencoder as figures
from fmlib.figures import few_images as curves
from fmlib.figures import style


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def scores(sizes: tuple[int, ...], seeds: int = 3) -> pd.DataFrame:
    rows = [
        (size, arm, seed, 0.6 + 0.05 * number + (0.01 + 0.001 * number) * seed)
        for size in sizes
        for number, arm in enumerate(few_images.ARMS)
        for seed in range(seeds)
    ]
    table = pd.DataFrame(rows, columns=["per_class", "arm", "seed", "balanced_accuracy"])
    summary = table.groupby(["per_class", "arm"]).balanced_accuracy.apply(few_images._mean_interval).unstack()
    return table.join(summary, on=["per_class", "arm"])


def texts(figure) -> str:
    """All that is written on a figure."""
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


@pytest.mark.parametrize("sizes", [(100,), (10, 25, 100)])
def test_every_arm_is_shown_at_every_size(sizes):
    for draw in (curves.vae_augmentation, curves.dae_pretraining):
        shown = texts(draw(scores(sizes)))
        assert all(wording.label(arm) in shown for arm in few_images.ARMS)
        assert all(str(size) in shown for size in sizes)


def test_points_of_a_curve_stand_at_their_means():
    table = scores((10, 100))
    ax = curves.vae_augmentation(table).axes[0]
    for line, arm in zip(ax.lines, few_images.ARMS, strict=True):
        means = table[table.arm == arm].groupby("per_class").balanced_accuracy.mean()
        np.testing.assert_allclose(line.get_ydata(), means)
        np.testing.assert_allclose(line.get_xdata(), means.index, rtol=0.1)


def test_one_seed_has_no_interval_and_is_drawn():
    assert "no augmentation" in texts(curves.vae_augmentation(scores((20,), seeds=1)))


def test_the_number_of_seeds_is_told_where_sizes_differ_in_it():
    mixed = pd.concat([scores((10,), seeds=4), scores((100, 250), seeds=2)])
    assert "2 to 4 seeds" in texts(curves.vae_augmentation(mixed))
    assert "3 seeds; mean" in texts(curves.vae_augmentation(scores((10, 100))))


def test_gains_are_coloured_by_their_verdicts():
    gains = few_images.gains(scores((10,)))
    ax = curves.gains(gains).axes[0]
    assert len(ax.get_yticklabels()) == len(gains) and set(gains.verdict) == {"helps"}
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert {dot.get_color() for dot in dots} == {style.GOOD}


@pytest.mark.parametrize("count", [1, 4, 6])
def test_gains_of_several_sizes_have_a_panel_each_comparison(count):
    gains = few_images.gains(scores((10, 100, 1000)), few_images.COMPARED[:count])
    gains.loc[gains.per_class == 100, "verdict"] = "hurts"
    figure = curves.gains(gains)
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert len(panels) == count and "over 3 seeds" in texts(figure) and "1,000" in texts(figure)
    for ax, (_, part) in zip(panels, gains.groupby(["arm", "baseline"], sort=False), strict=True):
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        np.testing.assert_allclose([dot.get_ydata()[0] for dot in dots], part.difference)
        assert [dot.get_color() for dot in dots] == [style.GOOD, style.BAD, style.GOOD]


def test_robustness_shows_every_front_end_and_every_damage():
    front_ends = [restoration.NOTHING, "dae", "unet", "median", "nl_means", restoration.TRAINED]
    rows = [
        (damage, float(level), front_end, 0.7, 0.6, 0.8, 90, np.inf if level == 0 else 20.0, 0.5)
        for damage, levels in LEVELS.items()
        for level in levels
        for front_end in front_ends
    ]
    columns = ["damage", "level", "front_end", "accuracy", "low", "high", "n", "psnr", "ssim"]
    figure = figures.dae_robustness(pd.DataFrame(rows, columns=columns))
    shown = texts(figure)
    assert all(wording.label(name) in shown for name in front_ends)
    assert "JPEG\nquality 5" in shown and "blur\n2 px" in shown
    assert len(figure.axes[1].lines) == len(front_ends) - 1  # who trains with noise restores no image
