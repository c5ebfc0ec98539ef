"""The command line: what it accepts, and one clear message with the right status for what it does not."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from fmlib import cli, notebooks, report
from fmlib.config import REPO


def run(capsys, *arguments: str) -> tuple[int, str]:
    """Status and error output of a command, which must be a line or a few, never a traceback."""
    status = cli.main(list(arguments))
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return status, shown


def photographs(folder: Path, classes=("WithMask", "WithoutMask"), count: int = 4) -> Path:
    """A folder of small, distinct pictures."""
    generator = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = generator.integers(0, 255, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))


@pytest.fixture
def no_kernel(monkeypatch):
    """Fail if a notebook is started."""
    monkeypatch.setattr(notebooks, "execute", lambda *_, **__: pytest.fail("a kernel was started"))


def test_help_lists_the_commands_and_loads_nothing_heavy():
    code = (
        "import sys; from fmlib.cli import main; main(['--help']); "
        "print({'torch', 'numpy', 'papermill', 'PIL'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(command in shown for command in ("report", "audit", "predict", "synth"))
    assert shown.rstrip().endswith("set()")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["report", "--profile", "huge"], "smoke, quick, full"),
        (["report", "--dataset", "kagle"], "synthetic, face-mask-12k"),
        (["report", "--dataset", "/no/such/folder"], "/no/such/folder"),
        (["report", "--profile", "smoke", "--external", "/no/such/other"], "/no/such/other"),
        (["report", "--only", "09"], "02_classifier"),
        (["report", "--jobs", "0"], "--jobs"),
        (["report", "--seed", "x"], "--seed"),
        (["report", "--sed", "1"], "--seed"),
        (["audit", "/no/such/folder"], "/no/such/folder"),
        (["audit"], "FOLDER"),
        (["synth"], "FOLDER"),
        (["synth", "x", "--images", "0"], "--images"),
        (["predict", "model"], "IMAGES"),
        (["invent"], "invent"),
    ],
)
def test_misuse_is_named_with_status_2(capsys, no_kernel, tmp_path, monkeypatch, arguments, named):
    monkeypatch.chdir(tmp_path)
    if "--external" in arguments:
        arguments = [*arguments, "--dataset", str(photographs(tmp_path / "set"))]
    status, shown = run(capsys, *arguments)
    assert status == 2
    assert named in shown


@pytest.mark.parametrize("classes", [(), ("WithMask",)])
def test_a_folder_that_cannot_be_trained_on_is_named_with_status_2(capsys, no_kernel, tmp_path, classes):
    folder = tmp_path / "pictures"
    folder.mkdir()
    photographs(folder, classes)
    status, shown = run(capsys, "report", "--dataset", str(folder), "--out", str(tmp_path / "site"))
    assert status == 2
    assert str(folder) in shown


@pytest.mark.parametrize("place", ["file", "set/WithMask/out", "/proc/none", "d\udcff"])
def test_an_output_place_that_cannot_be_is_named_with_status_2(capsys, no_kernel, tmp_path, place):
    (tmp_path / "file").write_text("")
    folder, target = photographs(tmp_path / "set"), tmp_path / place
    status, shown = run(
        capsys, "report", "--profile", "smoke", "--dataset", str(folder), "--out", str(target)
    )
    assert status == 2 and shown.count("Error: ") == 1 and "Traceback" not in shown
    assert ascii(str(target)).strip("'").replace("\\udcff", "") in shown
    assert len(list((folder / "WithMask").iterdir())) == len(list((folder / "WithoutMask").iterdir()))


@pytest.mark.parametrize(
    "command",
    [
        *(["audit", ""], ["synth", ""], ["report", "--only", " , "]),
        *(["report", option, ""] for option in ("--dataset", "--external", "--out")),
    ],
)
def test_an_empty_name_is_not_the_working_directory(capsys, no_kernel, tmp_path, monkeypatch, command):
    photographs(tmp_path)
    monkeypatch.chdir(tmp_path)
    status, shown = run(capsys, *command)
    assert status == 2 and "Error: " in shown


def test_make_hands_its_variables_to_the_command_line():
    given = {"DATASET": "my set", "PROFILE": "smoke", "SEED": "3", "JOBS": "1", "OUT": "o", "EXTERNAL": "a b"}
    asked = [
        "make",
        "--dry-run",
        "--always-make",
        "report",
        *(f"{name}={value}" for name, value in given.items()),
    ]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(asked, cwd=REPO, env=own, capture_output=True, text=True, check=True)
    line = shlex.split(done.stdout[done.stdout.index("-m fmlib report") :].replace("\\\n", " "))
    said = dict(zip(line[3::2], line[4::2], strict=True))
    externals = [line[place + 1] for place, word in enumerate(line) if word == "--external"]
    assert said == {f"--{name.lower()}": value for name, value in given.items()} | {"--external": "b"}
    assert externals == ["a", "b"]


def test_an_audit_is_printed_and_written(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))
    folder, target = photographs(tmp_path / "set"), tmp_path / "new" / "found.json"
    assert cli.main(["audit", str(folder), "--json", str(target)]) == 0
    assert "Byte-identical:" in capsys.readouterr().out
    assert json.loads(target.read_text())["schema"] == 1
    assert cli.main(["audit", str(folder), "--split", str(tmp_path / "split.csv")]) == 0
    split = pd.read_csv(tmp_path / "split.csv")
    assert list(split) == ["path", "group", "split"] and set(split.split) <= {"train", "validation", "test"}
    assert len(split) == 8
    assert run(capsys, "audit", str(folder), "--json", str(tmp_path))[0] == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_trouble_with_the_disk_is_one_message_with_status_1(capsys, monkeypatch, number):
    def full(*_, **__):
        raise OSError(number, os.strerror(number), "/disk/results.json")

    monkeypatch.setattr(report, "build", full)
    status, shown = run(capsys, "report")
    assert status == 1
    assert "/disk/results.json" in shown
    assert os.strerror(number) in shown


def test_an_unexpected_error_is_not_hidden(monkeypatch):
    monkeypatch.setattr(report, "build", lambda *_, **__: {}["fault"])
    with pytest.raises(KeyError):
        cli.main(["report"])


def test_failures_are_shown_and_the_worst_decides_the_status(capsys, monkeypatch):
    failures = [notebooks.Failure("02_classifier", "cell 3 (`x`)", "went wrong")]
    monkeypatch.setattr(report, "build", lambda *_, **__: failures)
    assert run(capsys, "report") == (1, "Error: 02_classifier, cell 3 (`x`): went wrong\n")
    failures.append(notebooks.Failure("03_x", "", "was asked wrongly", misuse=True))
    assert run(capsys, "report")[0] == 2


def test_a_folder_goes_by_its_place_and_a_source_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert cli._place("mine") == str(tmp_path / "mine")
    assert cli._place("./mine") == str(tmp_path / "mine")
    assert cli._place("synthetic") == "synthetic"
    assert cli._place("unknown") == "unknown"


def test_synth_writes_a_data_set(capsys, tmp_path):
    assert cli.main(["synth", str(tmp_path / "set"), "--images", "20"]) == 0
    assert len(list((tmp_path / "set").rglob("*.jpg"))) == 20


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_interrupting_ends_with_130_and_leaves_no_kernel(tmp_path):
    source = write_notebook(tmp_path / "notebooks" / "01_long.ipynb", "import time; time.sleep(600)")
    code = (
        "import signal, sys; from pathlib import Path; from fmlib import cli, report\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts its jobs without it\n"
        f"build = report.build; report.build = lambda request, **more: build(request, "
        f"source=Path({str(source.parent)!r}), **more)\n"
        f"sys.exit(cli.main(['report', '--profile', 'smoke', '--dataset', {str(photographs(tmp_path / 'set'))!r}, "
        f"'--out', {str(tmp_path / 'site')!r}]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPO, stderr=subprocess.PIPE, text=True)
    kernel = waited_for(lambda: kernels(process.pid))
    process.send_signal(signal.SIGINT)
    try:
        _, shown = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in shown
    assert not any(psutil.pid_exists(pid) for pid in kernel)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_a_kernel_ends_with_a_report_that_is_killed(tmp_path):
    code = (
        f"from pathlib import Path; from fmlib import notebooks; notebooks.execute(Path("
        f"{str(write_notebook(tmp_path / '01_long.ipynb', 'import time; time.sleep(600)'))!r}), {{}})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPO)
    kernel = waited_for(lambda: kernels(process.pid))
    process.kill()
    process.wait()
    assert waited_for(lambda: not any(psutil.pid_exists(pid) for pid in kernel), seconds=30)


def kernels(pid: int) -> list[int]:
    """The kernels that a process runs: lone leaders of a session, unlike its other children."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child.pid for child in children if os.getsid(child.pid) == child.pid]
    except (psutil.Error, ProcessLookupError):
        return []


def waited_for(look, seconds: float = 120):
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("did not happen")


def write_notebook(path: Path, *sources: str) -> Path:
    """A notebook with the common parameters and these code cells."""
    import nbformat

    values = 'dataset = "synthetic"\nprofile = "quick"\nseed = 0\nexternal = []\nout = ""'
    parameters = nbformat.v4.new_code_cell(values, metadata={"tags": ["parameters"]})
    cells = [nbformat.v4.new_markdown_cell("# Title\n\nA question?"), parameters]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path
