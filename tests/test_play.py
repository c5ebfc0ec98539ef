"""Playing in the notebooks: controls redraw the picture, and without a kernel there is the picture alone."""

import base64
import io

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
import pandas as pd
import pytest
import torch
from ipywidgets import IntSlider
from matplotlib import pyplot as plt
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from fmlib import attention, better_autoencoders, models, notebooks, play
from fmlib.figures import play as figures

SIDE = 32


class StandIn:
    """A run with an untrained network in place of a stored one."""

    def __init__(self, name: str, network: torch.nn.Module):
        self.config = type("Config", (), {"model": name})()
        self.network = network.eval()

    def model(self) -> torch.nn.Module:
        return self.network


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def classifier() -> StandIn:
    return StandIn("alexnet", models.build("alexnet", None, SIDE, False))


@pytest.fixture(autouse=True)
def nothing_left_open():
    attention.model.cache_clear()
    yield
    assert plt.get_fignums() == []  # a control that is dragged about draws many figures


def drawn(playground: play.Playground) -> Image.Image:
    return Image.open(io.BytesIO(playground.picture.value))


def moved(playground: play.Playground, **values) -> bool:
    """Whether the picture changes when controls move."""
    before = playground.picture.value
    for name, value in values.items():
        playground.controls[name].value = value
    return playground.picture.value != before


def test_moving_a_control_redraws_with_the_new_value():
    seen = []

    def draw(n: int):
        seen.append(n)
        return figures.words(f"n = {n}")

    playground = play.Playground(draw, "Caption.", n=IntSlider(3, description="Number"))
    assert moved(playground, n=5)
    assert seen == [3, 5]


def test_it_is_widgets_where_there_is_a_kernel_and_a_picture_elsewhere():
    playground = play.Playground(
        lambda n: figures.words(str(n)), "Caption.", n=IntSlider(3, description="Number")
    )
    data, metadata = playground._repr_mimebundle_()
    assert data[notebooks.WIDGET]["model_id"] == playground.box.model_id
    assert base64.b64decode(data["image/png"]) == playground.picture.value
    assert metadata["image/png"]["caption"] == "Caption. In Jupyter this picture has controls: number."
    assert metadata["image/png"]["alt"] == "Caption."


def test_an_executed_notebook_keeps_pictures_and_loses_widgets():
    def shown(**data) -> dict:
        return new_output("display_data", {kind.replace("_", "/", 1): value for kind, value in data.items()})

    bar, both, text = (shown(text_plain="50%"), shown(image_png="aa", text_plain="x"), shown(text_plain="y"))
    bar.data[notebooks.WIDGET] = both.data[notebooks.WIDGET] = {"model_id": "1"}
    notebook = new_notebook(
        cells=[new_code_cell("x", outputs=[bar, both, text])], metadata={"widgets": {"s": 1}}
    )
    still = notebooks.still(notebook)
    assert [dict(output.data) for output in still.cells[0].outputs] == [
        {"image/png": "aa", "text/plain": "x"},
        {"text/plain": "y"},
    ]
    assert "widgets" not in still.metadata


def test_the_threshold_moves_the_confusion_matrix():
    keys = {"model": "alexnet", "split": "grouped", "view": "test"}
    table = pd.DataFrame({"label": [0, 0, 1, 1], "probability": [0.1, 0.6, 0.4, 0.9]}).assign(**keys)
    table = table.assign(seed=3)
    others = [table.assign(split="official", probability=0.0), table.assign(seed=4, probability=0.0)]
    table = pd.concat([table, *others])
    playground = play.threshold(table, "alexnet")
    figure = playground.draw("alexnet", "test", 0.5)
    assert "precision 0.500, recall 0.500, F1 0.500" in figure._suptitle.get_text()
    figure = playground.draw("alexnet", "test", 0.05)
    assert "precision 0.500, recall 1.000" in figure._suptitle.get_text()
    plt.close("all")
    assert moved(playground, limit=0.95)


def test_noise_is_that_of_the_slider(images, classifier):
    dae = better_autoencoders.build("dae", SIDE, 8).eval()
    playground = play.noise(StandIn("dae", dae), classifier, images, seed=0)
    assert moved(playground, sigma=0.0)
    figure = playground.draw(picture=0, sigma=0.0)
    clean, noisy, *restored = (ax.images[0].get_array() for ax in figure.axes)
    np.testing.assert_array_equal(clean, noisy)
    with torch.inference_mode():
        whole = dae(torch.from_numpy(images[:1]).permute(0, 3, 1, 2).float() / 255)[0].permute(1, 2, 0)
    assert len(restored) == 2
    for image in restored:
        np.testing.assert_allclose(image, whole.numpy(), atol=0.01)
    plt.close("all")


def test_a_walk_begins_and_ends_at_the_reconstructions(images):
    vae = better_autoencoders.build("vae", SIDE, 8).eval()
    playground = play.walk(vae, images, np.array([0, 1, 1, 0]))
    assert (playground.controls["start"].value, playground.controls["end"].value) == (0, 1)
    figure = playground.draw(start=2, end=3)
    steps = [ax.images[0].get_array() for ax in figure.axes]
    np.testing.assert_array_equal(steps[0], images[2])
    with torch.inference_mode():
        rebuilt = vae(torch.from_numpy(images[2:4]).permute(0, 3, 1, 2).float() / 255).permute(0, 2, 3, 1)
    for step, whole in zip((steps[1], steps[-2]), rebuilt.numpy(), strict=True):
        np.testing.assert_allclose(step / 255, whole, atol=0.01)
    plt.close("all")


def test_a_changed_picture_that_is_not_changed_is_itself(images, classifier):
    playground = play.changed_picture([classifier], images)
    figure = playground.draw(picture=1, angle=0, light=1, detail=1, mirror=False)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), images[1])
    plt.close("all")
    assert moved(playground, mirror=True, angle=0)


def test_a_map_of_ones_own_picture_and_of_what_is_none(images, classifier):
    playground = play.cam([classifier], images)
    buffer = io.BytesIO()
    Image.new("RGB", (90, 50), "red").save(buffer, format="png")
    file = {"name": "me.png", "content": memoryview(buffer.getvalue())}
    chosen = {"picture": 0, "model": "alexnet", "method": "gradcam", "explained": "with mask"}
    figure = playground.draw(own=(file,), **chosen)
    assert set(map(tuple, figure.axes[0].images[0].get_array().reshape(-1, 3))) == {(255, 0, 0)}
    bad = {"name": "$x^$.png", "content": memoryview(b"no picture")}
    said = playground.draw(own=(bad,), **chosen)
    assert "not an image file" in said.texts[0].get_text()
    said.canvas.draw()  # a dollar sign in a name is no formula
    plt.close("all")


def test_near_duplicates_within_the_limit_are_counted(tiny):
    playground = play.near_duplicates(tiny, seed=0)
    few = playground.draw(0)._suptitle.get_text()
    many = playground.draw(16)._suptitle.get_text()
    pairs = [int(text.split(": ")[1].split(" ")[0].replace(",", "")) for text in (few, many)]
    assert pairs[0] <= pairs[1] <= len(tiny) * (len(tiny) - 1) // 2
    assert pairs[1] > 0
    plt.close("all")
