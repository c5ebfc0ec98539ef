"""What becomes of notebooks that fail, are interrupted or know too much, and how the committed ones look."""

import json
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from test_cli import photographs, write_notebook

from fmlib import notebooks, privacy, report, requested
from fmlib.config import REPO
from fmlib.errors import UsageError
from fmlib.requested import Request


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    """A small folder of images, and a store of its own."""
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))
    return photographs(tmp_path / "my pictures")


def small(pictures: Path, **more) -> Request:
    settings = {"profile": "smoke", "out": pictures.parent / "site", "jobs": 1} | more
    return Request(dataset=str(pictures), **settings)


def build(request: Request, *sources: str, names=("01_data",)) -> list[notebooks.Failure]:
    """A report of notebooks that each hold the given cells."""
    folder = request.folder.parent / "notebooks"
    for name in names:
        write_notebook(folder / f"{name}.ipynb", *sources)
    return report.build(request, source=folder, say=lambda _: None)


@pytest.mark.slow
def test_a_notebook_runs_alone_from_an_empty_store(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))
    values = {"profile": "smoke", "out": str(tmp_path / "figures")}
    _, failure = notebooks.execute(REPO / "notebooks" / "03_denoising_autoencoder.ipynb", values)
    assert failure is None
    assert (tmp_path / "figures" / "dae_robustness.png").is_file()


# --- the notebooks as they are committed ---------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((REPO / "notebooks").glob("0*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_calls_and_prose_with_the_common_parameters(path):
    notebook = nbformat.read(path, as_version=4)
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    values: dict = {}
    exec(tagged[0].source, values)
    del values["__builtins__"]
    assert values == {"dataset": "synthetic", "profile": "quick", "seed": 0, "external": [], "out": ""}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    lines = [line for cell in code for line in cell.source.splitlines()]
    assert not [line for line in lines if line.lstrip().startswith(("def ", "class ", "%", "!"))]


# --- where things are kept --------------------------------------------------------------------------------------


def test_a_relative_store_is_one_for_the_report_and_its_kernels(pictures, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FMLIB_HOME", "store")  # kernels work in another folder
    lines = [
        "from fmlib.stage import Stage",
        'stage = Stage("data", dataset=dataset, profile=profile, seed=seed,',
    ]
    lines += ["external=external, out=out)", 'stage.row(metric="images", value=1)', "stage.close()"]
    assert build(small(pictures), "\n".join(lines)) == []
    [row] = json.loads((tmp_path / "site" / "results.json").read_text())["rows"]
    assert row["metric"] == "images" and not (tmp_path / "notebooks" / "store").exists()


# --- failing, going on, interrupting --------------------------------------------------------------------------


def test_a_failure_names_notebook_and_cell_and_the_others_still_run(pictures):
    request = small(pictures)
    folder = pictures.parent / "notebooks"
    write_notebook(folder / "01_data.ipynb", "x = 1", "# divide\n1 / 0")
    write_notebook(folder / "02_classifier.ipynb", "print('fine')")
    failures = report.build(request, source=folder, say=lambda _: None)
    assert [str(failure) for failure in failures] == [
        "01_data, cell 4 (`# divide`): ZeroDivisionError: division by zero"
    ]
    assert "fine" in (request.folder / "notebooks" / "02_classifier.ipynb").read_text()
    assert "division by zero" in (request.folder / "reports" / "01_data.html").read_text()
    assert "01_data, cell 4" in (request.folder / "index.html").read_text()


def test_an_error_of_ours_is_its_message_alone_and_misuse_stays_misuse(pictures):
    raised = (
        "from fmlib.errors import UsageError\nraise UsageError('there is no such thing; known are: a, b')"
    )
    failures = build(small(pictures), raised, names=("01_data", "02_classifier"))
    assert [failure.reason for failure in failures] == ["there is no such thing; known are: a, b"]
    assert failures[0].misuse


def test_the_same_command_goes_on_after_the_fault_is_mended(pictures):
    marker = pictures.parent / "mended"
    request, source = small(pictures), f"open({str(marker)!r})"
    assert "mended" in str(build(request, source)[0])
    marker.touch()
    assert build(request, source) == []
    assert "incomplete" not in (request.folder / "reports" / "01_data.html").read_text()


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_kernel_that_dies_is_named_as_such(pictures):
    (failure,) = build(small(pictures), "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert "memory" in str(failure)
    assert "cell 3 (`import os, signal`)" in str(failure)


@pytest.mark.skipif(os.name != "posix", reason="kernels are forked")
def test_a_kernel_that_dies_at_its_start_is_named_and_the_others_still_run(pictures, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert build(small(pictures), "import torch\nassert torch.get_num_threads() == 2") == []
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    failures = build(small(pictures), "x = 1", names=("01_data", "02_classifier"))
    assert [str(failure) for failure in failures] == [
        f"{name}: its kernel died; most often the machine ran out of memory"
        for name in ("01_data", "02_classifier")
    ]


def test_a_cell_that_never_ends_is_named(pictures):
    (failure,) = build(small(pictures, cell_limit=3), "while True: pass")
    assert "cell 3 (`while True: pass`)" in str(failure)
    assert "limit" in failure.reason


@pytest.mark.skipif(os.name != "posix", reason="needs local sockets")
def test_notebooks_run_at_once_without_ports_that_could_collide(pictures):
    look = "from ipykernel.connect import get_connection_info\nassert '\"ipc\"' in get_connection_info()"
    assert build(small(pictures, jobs=3), look, names=("01_a", "02_b", "03_c")) == []


def test_an_unknown_parameter_is_refused_before_any_kernel(tmp_path, monkeypatch):
    path = write_notebook(tmp_path / "01_data.ipynb", "x = 1")
    monkeypatch.setattr(notebooks, "execute_notebook", lambda *_, **__: pytest.fail("a kernel was started"))
    with pytest.raises(UsageError, match=r"'profil'; known are: dataset, profile"):
        notebooks.execute(path, {"profil": "smoke"})


def test_a_path_with_braces_spaces_and_quotes_is_a_path(tmp_path):
    path = write_notebook(
        tmp_path / "a {b} 'c'" / "01_data.ipynb", "from pathlib import Path", "print(Path.cwd().name)"
    )
    notebook, failure = notebooks.execute(path, {"seed": 3})
    assert failure is None
    assert notebook.cells[-1].outputs[0].text.strip() == "a {b} 'c'"


def test_what_is_shown_belongs_to_one_data_set_and_profile(pictures):
    request = small(pictures)
    build(request, "print('first')", names=("01_data", "02_classifier"))
    other = photographs(pictures.parent / "others", count=5)
    assert (
        build(
            Request(dataset=str(other), profile="smoke", out=request.folder, only=("01",)), "print('second')"
        )
        == []
    )
    assert [path.stem for path in (request.folder / "reports").glob("*.html")] == ["01_data"]


def test_a_report_takes_the_place_of_no_notebook_but_its_own(pictures):
    request, folder = small(pictures), pictures.parent / "notebooks"
    path = write_notebook(folder / "01_data.ipynb", "print('source')")
    with pytest.raises(UsageError, match="its own notebooks; choose another --out"):
        report.build(small(pictures, out=folder.parent), source=folder)
    assert "source" in path.read_text()
    mine = write_notebook(request.folder / "notebooks" / "02_mine.ipynb", "print('mine')")
    assert build(request, "print('first')") == []
    assert "mine" in mine.read_text()


def test_choosing_notebooks(tmp_path):
    for name in ("01_data", "02_classifier", "05_gradcam"):
        write_notebook(tmp_path / f"{name}.ipynb")
    chosen = requested.choose(tmp_path, ("05", "01_data"))
    assert [path.stem for path in chosen] == ["01_data", "05_gradcam"]
    with pytest.raises(UsageError, match="'09'; known are: 01_data"):
        requested.choose(tmp_path, ("09",))
    with pytest.raises(UsageError, match="no notebooks"):
        requested.choose(tmp_path / "elsewhere", ())


# --- what is kept ---------------------------------------------------------------------------------------------


def test_no_place_of_this_machine_is_kept(pictures, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    request = small(pictures, external=(str(pictures),))
    shown = "from pathlib import Path\nimport fmlib, sys\n"
    shown += "print(fmlib.__file__, sys.executable, dataset, out, Path.home())"
    assert build(request, shown, "import warnings; warnings.warn('careful')") == []
    for path in (request.folder / "notebooks" / "01_data.ipynb", request.folder / "reports" / "01_data.html"):
        text = path.read_text()
        assert "my pictures" in text
        for secret in (pictures.parent, REPO, sys.prefix, Path.home(), "hunter2", "ipykernel_"):
            assert str(secret) not in text, secret


def test_scrubbing_keeps_pictures_and_other_words():
    picture = "AAAA/root/tmp/BBBB"
    cell = nbformat.v4.new_code_cell(f"open('{REPO}/x'); '{REPO}ish'")
    cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": picture, "text/plain": f"{REPO}/x"})]
    clean = privacy.scrub(nbformat.v4.new_notebook(cells=[cell]))
    assert clean.cells[0].outputs[0].data == {"image/png": picture, "text/plain": "./x"}
    assert clean.cells[0].source.startswith("open('./x')")
    assert clean.cells[0].source.endswith("ish'")
    assert cell.outputs[0].data["text/plain"] == f"{REPO}/x"


def test_figures_are_copied_beside_the_site_where_they_go_elsewhere(tmp_path):
    source, target = tmp_path / "figures", tmp_path / "site"
    source.mkdir()
    target.mkdir()
    (source / "new.png").write_bytes(b"new")
    (target / "old.png").write_bytes(b"old")
    (source / "of_another_report.png").write_bytes(b"other")
    report.bring_figures(source, target, {"new"})
    assert [path.name for path in target.iterdir()] == ["new.png"]
    shutil.rmtree(source)


def test_a_report_on_other_images_leaves_none_of_the_earlier_figures(pictures, tmp_path):
    source = (
        "from matplotlib import pyplot as plt\nfrom fmlib.stage import Stage\n"
        "stage = Stage('data', dataset=dataset, profile=profile, seed=seed, external=external, out=out)\n"
        "stage.show(plt.figure(), 'data_samples')\nstage.close()"
    )
    request = small(pictures)
    assert build(request, source, names=("01_data", "02_classifier")) == []
    shown = [path.name for path in (request.folder / "figures").glob("*.png")]
    assert shown == ["data_samples.png"] and list((request.folder / "thumbnails").iterdir())
    (request.folder / "figures" / "own.png").write_bytes(b"a user's")
    other = small(photographs(tmp_path / "others", count=13), out=request.out, only=("02",))
    assert build(other, "x = 1", names=("01_data", "02_classifier")) == []
    assert [path.name for path in (request.folder / "figures").glob("*.png")] == ["own.png"]
    assert not list((request.folder / "thumbnails").iterdir())
    assert [path.name for path in (request.folder / "reports").iterdir()] == ["02_classifier.html"]


@pytest.mark.parametrize(("threads", "gpu", "expected"), [(1, False, 1), (8, False, 2), (8, True, 1)])
def test_two_notebooks_run_at_once_where_there_are_cores_and_no_gpu(monkeypatch, threads, gpu, expected):
    monkeypatch.setattr(requested.torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(requested.torch.cuda, "is_available", lambda: gpu)
    assert Request().jobs == expected and Request(jobs=3).jobs == 3


@pytest.mark.parametrize("setting", [{"FMLIB_WORKERS": "2"}, {"FMLIB_SCHEDULER": "tcp://host:8786"}])
def test_one_notebook_runs_at_a_time_where_other_processes_train(monkeypatch, setting):
    monkeypatch.setattr(requested.torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(requested.torch.cuda, "is_available", lambda: False)
    for name in ("FMLIB_WORKERS", "FMLIB_SCHEDULER"):
        monkeypatch.delenv(name, raising=False)
    assert requested.jobs_at_once() == 2
    monkeypatch.setenv(*next(iter(setting.items())))
    assert requested.jobs_at_once() == 1
