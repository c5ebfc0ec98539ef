"""What comes from elsewhere is data: nothing of it is executed, nothing of ours listens, nothing is loaded blindly."""

import ast
import os
import re

import nbformat
import pytest
import torch

from fmlib import models
from fmlib.config import REPO
from fmlib.errors import FmlibError, UsageError
from fmlib.text import name, printable

SOURCES = sorted([*(REPO / "fmlib").rglob("*.py"), *(REPO / "benchmarks").glob("*.py")])
NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
MODULES = {
    "pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "marshal",
    "shelve",
    "joblib",
}  # their loading executes
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "pd.read_pickle",
    "shutil.unpack_archive",
}
HARMLESS = {"UnpicklingError"}  # names that may come even from those modules
METHODS = {"extractall", "extract"}  # of archives; fmlib.data.archives writes by itself
SAFE = {"torch.load": ("weights_only", True), "load_state_dict_from_url": ("weights_only", True)}
NEVER = {"allow_pickle": True, "shell": True, "trust_remote_code": True, "weights_only": False}


def offences(code: str) -> list[str]:
    """What a piece of code does that could run data, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and {alias.name for alias in node.names} - HARMLESS:
            names.append(node.module or "")
        found += [f"{node.lineno}: import {each}" for each in names if each.split(".")[0] in MODULES]
        if isinstance(node, ast.Call):
            found += [f"{node.lineno}: {what}" for what in dangers(node)]
    return found


def dangers(call: ast.Call) -> list[str]:
    called, last = ast.unparse(call.func), ast.unparse(call.func).split(".")[-1]
    given = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
    found = [f"{word}={value}" for word, value in NEVER.items() if given.get(word) == value and word in given]
    found += [called] if called in CALLS or (last in METHODS and "str" not in called) else []
    found += [called] if last in ("load", "load_all") and called.startswith("yaml") else []
    wanted = SAFE.get(called) or SAFE.get(last)
    return found + ([called] if wanted and given.get(wanted[0]) != wanted[1] else [])


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from joblib import load", "eval(x)", "exec(x)", "torch.load(p)", "yaml.load(f)",
        "torch.load(p, weights_only=False)", "np.load(p, allow_pickle=True)", "archive.extractall(p)",
        "subprocess.run(x, shell=True)", "torch.hub.load_state_dict_from_url(u)", "pd.read_pickle(p)",
    ],
)  # fmt: skip
def test_the_scan_sees_what_it_is_for(code):
    assert offences(code)


@pytest.mark.parametrize(
    "code",
    [
        "model.eval()",
        "re.compile(p)",
        "names.str.extract(p)",
        "torch.load(p, weights_only=True)",
        "from pickle import UnpicklingError",
    ],
)
def test_the_scan_lets_harmless_code_pass(code):
    assert not offences(code)


def test_nothing_executes_data():
    found = {path.name: offences(path.read_text(encoding="utf-8")) for path in SOURCES}
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        found[path.name] = [x for cell in cells if cell.cell_type == "code" for x in offences(cell.source)]
    assert len(found) > 50
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_torch_loads_weights_only_whoever_asks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": torch.ones(2), "code": Boom()}, tmp_path / "evil.pth")
    with pytest.raises(Exception, match=r"(?i)weights.only"):
        torch.load(tmp_path / "evil.pth", weights_only=False)
    assert not (tmp_path / "boom").exists()


class Boom:
    """Makes a folder here when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("boom",)


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A place that pretrained weights are fetched from: state dict -> file of that content under a name's digest."""
    from hashlib import sha256

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def put(state, digest=None):
        torch.save(state, tmp_path / "weights")
        digest = digest or sha256((tmp_path / "weights").read_bytes()).hexdigest()[:8]
        file = (tmp_path / "weights").rename(tmp_path / f"efficientnet-b0-{digest}.pth")
        monkeypatch.setitem(models.url_map, "efficientnet-b0", file.as_uri())

    return put


def pretrained():
    return models.EfficientNet.from_name("efficientnet-b0").state_dict()


def test_pretrained_weights_of_the_right_digest_are_taken(zoo):
    state = pretrained()
    zoo(state)
    net = models.build("efficientnet-b0", side=64, pretrained=True).net
    assert torch.equal(net._conv_stem.weight, state["_conv_stem.weight"])
    assert net._fc.out_features == 2


def test_pretrained_weights_of_another_digest_are_refused(zoo):
    zoo(pretrained(), digest="01234567")
    with pytest.raises(FmlibError, match="invalid hash"):
        models.build("efficientnet-b0", side=64, pretrained=True)


def test_pretrained_weights_that_are_a_program_are_refused(zoo):
    zoo({"x": Boom()})
    with pytest.raises(FmlibError, match="no pretrained weights"):
        models.build("efficientnet-b0", side=64, pretrained=True)


@pytest.mark.parametrize("architecture", ["resnet18", "alexnet", "googlenet"])
def test_torchvision_is_asked_to_check_the_digest(monkeypatch, architecture):
    from torchvision.models import _api

    asked = []

    def fetch(url, **options):
        asked.append((url, options))
        raise OSError("no network")

    monkeypatch.setattr(_api, "load_state_dict_from_url", fetch)
    with pytest.raises(FmlibError, match="no network"):
        models.build(architecture, side=64, pretrained=True)
    assert asked[0][1]["check_hash"] and re.search(r"-[0-9a-f]{8}\.pth$", asked[0][0])


def test_pretrained_googlenet_loses_its_auxiliary_heads(monkeypatch):
    from torchvision.models import _api, googlenet

    state = googlenet(aux_logits=True, init_weights=False).state_dict()
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda url, **options: state)
    net = models.build("googlenet", side=64, pretrained=True).net
    assert torch.equal(net.conv1.conv.weight, state["conv1.conv.weight"])
    assert not net.aux_logits and net.aux1 is None and net.fc.out_features == 2


def test_nothing_listens_on_the_network_and_the_lab_keeps_its_token():
    texts = {path: path.read_text(encoding="utf-8") for path in [*SOURCES, *NOTEBOOKS, REPO / "Makefile"]}
    opened = (
        r"0\.0\.0\.0|--ip\b|\bip=|\btoken=|--no-auth|password=|allow_origin|\.listen\(|TCPServer|HTTPServer"
    )
    assert {path.name: match[0] for path, text in texts.items() if (match := re.search(opened, text))} == {}


def test_control_characters_reach_no_terminal():
    assert printable("a\x1b[2J\r\u202eb\udcff\nc") == "a\\x1b[2J\\r\\u202eb\\udcff\nc"
    assert str(UsageError("no \x1b]0;title\x07")) == "no \\x1b]0;title\\x07"
    assert printable("más マスク 🙂") == "más マスク 🙂"


def test_names_are_harmless_wherever_they_are_shown():
    assert name("Anna's faces (2)") == "Anna's faces (2)"
    assert not set(name("".join(map(chr, range(1, 300))))) & set('`*<>[]{}$|~^"\\/\n\r\x1b')
