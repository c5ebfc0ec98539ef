"""`make lab` opens notebooks with the interpreter of .venv, whatever is registered under the same name."""

import json
import sys

import pytest
from jupyter_client.kernelspec import NoSuchKernel

from fmlib.config import REPO
from fmlib.lab import ThisInterpreter


def test_the_only_kernel_is_this_interpreter_even_where_another_has_its_name(tmp_path, monkeypatch):
    other = tmp_path / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(json.dumps({"argv": ["/elsewhere/python"], "display_name": "Other"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    specs = ThisInterpreter().get_all_specs()
    assert list(specs) == ["python3"]
    assert specs["python3"]["spec"]["argv"][0] == sys.executable
    with pytest.raises(NoSuchKernel):
        ThisInterpreter().get_kernel_spec("conda-env-other")


def test_every_notebook_asks_for_that_kernel():
    paths = list((REPO / "notebooks").glob("0*.ipynb"))
    assert len(paths) == 6
    for path in paths:
        assert json.loads(path.read_text())["metadata"]["kernelspec"]["name"] == "python3", path.name


def test_make_lab_uses_it_and_keeps_the_token():
    makefile = (REPO / "Makefile").read_text()
    command = makefile[makefile.index("\nlab:") : makefile.index("\nbench:")]
    assert "kernel_spec_manager_class=fmlib.lab.ThisInterpreter" in command
    assert "token" not in command and "password" not in command and "ip=" not in command
