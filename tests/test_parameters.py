"""Parameters as papermill hands them over: of any type, from `-p` or a YAML file; their meaning or one clear error."""

import nbformat
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from papermill.parameterize import parameterize_notebook
from test_cli import photographs

from fmlib import kernels
from fmlib.config import AutoencoderConfig, ClassifierConfig, Generated
from fmlib.errors import UsageError
from fmlib.stage import Stage


@pytest.fixture
def given_values(tmp_path, monkeypatch):
    """The parameters of a report on a small folder."""
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))
    folder = str(photographs(tmp_path / "set"))
    return {"dataset": folder, "profile": "smoke", "seed": 0, "external": [], "out": str(tmp_path / "out")}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", "0", "seed must be a whole number from 0"),
        ("seed", 1.5, "not 1.5"),
        ("seed", True, "not True"),
        ("seed", None, "not None"),
        ("seed", -1, "not -1"),
        ("seed", 10**30, "seed must be a whole number"),
        ("profile", 3, "unknown profile 3; known are: smoke, quick, full"),
        ("profile", ["smoke"], "known are: smoke"),
        ("profile", None, "known are: smoke"),
        ("dataset", None, "dataset must be text, not None"),
        ("dataset", 12, "dataset must be text, not 12"),
        ("dataset", "", "unknown data set ''"),
        ("external", 5, "external must be text, not 5"),
        ("external", [5], "external must be text, not 5"),
        ("external", {"a": "b"}, "external must be text"),
        ("external", "/no/such/folder", "/no/such/folder"),
        ("out", 3, "out must be text, not 3"),
        ("out", ["a"], "out must be text"),
    ],
)
def test_odd_values_are_one_clear_error(given_values, name, value, message):
    with pytest.raises(UsageError, match=message):
        Stage("data", **{**given_values, name: value})


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), "half", True])
def test_shares_and_strengths_lie_in_their_range(share):
    with pytest.raises(UsageError, match="share must be a number from 0 to 1"):
        Generated(autoencoder=AutoencoderConfig(model="vae"), share=share)
    with pytest.raises(UsageError, match="noise must be a number from 0 to 1"):
        AutoencoderConfig(noise=share)
    with pytest.raises(UsageError, match="beta must be a number from 0, not inf"):
        AutoencoderConfig(model="cvae", beta=float("inf"))


WHOLE = ("side", "epochs", "passes", "batch_size")
OPTIONAL = ("train_size", "validation_size", "patience")


@pytest.mark.parametrize("kind", [ClassifierConfig, AutoencoderConfig])
@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        *(
            (name, value, r"a whole number from 1 to \d+, not")
            for name in WHOLE
            for value in (0, -3, 1.5, True, None, "2")
        ),
        *(
            (name, value, r"a whole number from 1 to \d+, or None")
            for name in OPTIONAL
            for value in (0, -1, 2.5)
        ),
        *(("seed", value, r"a whole number from 0 to \d+, not") for value in (-1, 0.5, None, 2**70)),
        ("pasted", -1, r"a whole number from 0 to \d+, not -1"),
        *(
            ("learning_rate", value, "a number above 0")
            for value in (0, 0.0, -1, float("nan"), float("inf"), "1")
        ),
    ],
)
def test_a_run_of_numbers_that_mean_nothing_is_refused_by_their_name(kind, name, value, wanted):
    with pytest.raises(UsageError, match=f"^{name} must be {wanted}"):
        kind(**{name: value})


def test_numbers_of_a_run_may_be_numpys_and_sizes_may_be_left_open():
    whole = dict.fromkeys((*WHOLE, *OPTIONAL, "seed"), np.int64(2))
    assert ClassifierConfig(**whole, learning_rate=np.float32(0.5)).epochs == 2
    assert (
        AutoencoderConfig(**dict.fromkeys(OPTIONAL), learning_rate=1, latent=np.int32(8)).train_size is None
    )
    with pytest.raises(UsageError, match="latent must be a whole number from 1"):
        AutoencoderConfig(model="vae", latent=0)


@pytest.mark.parametrize("external", [None, "", [], ()])
def test_no_external_folder_in_any_spelling(given_values, external):
    assert Stage("data", **{**given_values, "external": external}).external == {}


def test_one_external_folder_needs_no_list_and_two_of_one_name_are_told_apart(given_values, tmp_path):
    one, other = (photographs(tmp_path / place / "theirs", count=n) for place, n in (("a", 3), ("b", 4)))
    for single in (str(one), one):
        assert list(Stage("data", **{**given_values, "external": single}).external) == ["theirs"]
    with pytest.raises(UsageError, match="two external folders are called 'theirs'"):
        Stage("data", **{**given_values, "external": [str(one), str(other)]})


@pytest.mark.parametrize("out", [None, ""])
def test_no_place_for_figures_is_the_usual_one(given_values, out):
    stage = Stage("data", **{**given_values, "out": out})
    assert stage.out.parts[-2:] == ("figures", "set")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(anything)
def test_what_is_given_is_what_the_notebook_gets(value):
    cell = nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel, "papermill": {}})
    filled = parameterize_notebook(notebook, {"x": value}, kernel_name="python3", language="python")
    known: dict = {}
    for each in filled.cells:
        exec(each.source, known)
    assert known["x"] == value


def test_sockets_get_a_short_place_where_the_usual_one_is_deep(monkeypatch, tmp_path):
    monkeypatch.setattr(kernels.tempfile, "gettempdir", lambda: "/deep" * 20)
    kernel = kernels.Kernel()
    assert len(kernel.connection_file) < 80
    kernel.folder.cleanup()
