"""Archives by strangers: what is harmless unpacks once, what is not is refused before a byte is written."""

import io
import shutil
import stat
import struct
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fmlib.data import archives, sources
from fmlib.errors import FmlibError, UsageError


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))


def photograph(seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(values).resize((30, 30), Image.Resampling.BICUBIC).save(content, "png")
    return content.getvalue()


def pictures() -> dict[str, bytes]:
    names = ("WithMask", "WithoutMask")
    return {
        f"Set/{name}/{row} ä.png": photograph(10 * side + row)
        for side, name in enumerate(names)
        for row in range(4)
    }


def zipped(path, files, links=()):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for name, target in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, target)
    return path


def tarred(path, files, links=()):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


MAKERS = {"a.zip": zipped, "a.tar": tarred, "a.tar.gz": tarred}


def everything(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix != ".lock")


def refused(tmp_path, path, reason):
    """Loading `path` fails for this reason, and neither the store nor the folder around it holds anything new."""
    before = everything(tmp_path)
    with pytest.raises(UsageError, match=reason):
        sources.load(str(path), progress=False)
    assert [name for name in everything(tmp_path) if name not in before] in ([], ["home", "home/data"])


@pytest.mark.parametrize("name", MAKERS)
def test_an_archive_is_a_data_set_unpacked_once_by_content(tmp_path, monkeypatch, name):
    path = MAKERS[name](tmp_path / name, pictures())
    data = sources.load(str(path), progress=False)
    assert (data.name, len(data)) == ("a", 8)
    assert set(data.manifest["path"]) == {name.removeprefix("Set/") for name in pictures()}
    moved = path.rename(tmp_path / "other.bin")
    monkeypatch.setattr(archives, "unpack", None)  # must not be called again
    assert sources.load(str(moved), progress=False).fingerprint == data.fingerprint
    assert sources.external(moved, progress=False).root == data.root


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    "name", ["../x.png", "Set/../../x.png", "/tmp/x.png", "..\\x.png", "C:\\x.png", "\\x.png"]
)
def test_names_that_lead_out_of_the_folder(tmp_path, make, name):
    path = make(tmp_path / ("a.zip" if make is zipped else "a.tar"), pictures() | {name: b"x"})
    refused(tmp_path, path, "leads out of the folder")


@pytest.mark.parametrize("name", MAKERS)
def test_links(tmp_path, name):
    path = MAKERS[name](tmp_path / name, pictures(), links=[("Set/WithMask/link.png", "/etc/hostname")])
    refused(tmp_path, path, "is a link or a device")


def test_devices_and_hard_links(tmp_path):
    for kind in (tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE):
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            info = tarfile.TarInfo("Set/x")
            info.type, info.linkname = kind, "Set/y"
            archive.addfile(info)
        refused(tmp_path, tmp_path / "a.tar", "is a link or a device")


@pytest.mark.parametrize("name", MAKERS)
def test_too_many_entries(tmp_path, monkeypatch, name):
    monkeypatch.setattr(archives, "ENTRIES", 7)
    refused(tmp_path, MAKERS[name](tmp_path / name, pictures()), "more than 7 entries")


def test_a_million_entries_are_refused_before_the_table_is_read(tmp_path):
    central = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 9, 8, *[0] * 6)
    table = b"".join(central + f"{row:08d}".encode() for row in range(10**6))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(table), 4, 0)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4" + table + end)
    refused(tmp_path, tmp_path / "a.zip", "tables take more than")


def test_a_hundred_gigabytes_declared(tmp_path):
    path = zipped(tmp_path / "a.zip", {f"Set/{row}": b"x" * 100 for row in range(30)})
    content = path.read_bytes()
    position = content.index(b"PK\1\2")
    while position >= 0:  # the size after unpacking, in each entry of the table
        content = content[: position + 24] + struct.pack("<L", 0xF0000000) + content[position + 28 :]
        position = content.find(b"PK\1\2", position + 4)
    path.write_bytes(content)
    refused(tmp_path, path, "more than 20 GB")
    info = tarfile.TarInfo("Set/big")
    info.size = 100 * 2**30
    (tmp_path / "a.tar").write_bytes(info.tobuf())
    refused(tmp_path, tmp_path / "a.tar", "more than 20 GB")


def test_a_name_of_many_gigabytes_is_not_read_into_memory(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2 * 2**30
    (tmp_path / "a.tar").write_bytes(info.tobuf())
    refused(tmp_path, tmp_path / "a.tar", "tables take more than 32 MB")


def test_a_size_that_is_a_lie_leaves_nothing(tmp_path):
    path = zipped(tmp_path / "a.zip", pictures())
    content = path.read_bytes()
    at = content.rindex(b"PK\1\2") + 20  # packed and unpacked size of the last entry
    path.write_bytes(content[:at] + struct.pack("<2L", 5, 5) + content[at + 8 :])
    refused(tmp_path, path, "damaged")


@pytest.mark.parametrize("name", MAKERS)
def test_damaged_and_cut_archives(tmp_path, name):
    path = MAKERS[name](tmp_path / name, pictures())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(tmp_path, path, "damaged|cannot be read")
    random = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for position in random.integers(4, len(content), 6):
            content[position] = random.integers(256)
        path.write_bytes(content)
        try:
            sources.load(str(path), progress=False)
        except UsageError as error:
            assert "archive" in str(error) or "origins" in str(error) or "class folders" in str(error)


def test_the_same_name_twice_and_a_file_that_is_a_folder(tmp_path):
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(tmp_path / "a.zip", "w") as archive,
    ):
        archive.writestr("Set/a", b"1")
        archive.writestr("Set/a", b"2")
    refused(tmp_path, tmp_path / "a.zip", "is there twice")
    zipped(tmp_path / "b.zip", {"Set/a": b"1", "Set/a/b": b"2"})
    with pytest.raises(FmlibError, match="cannot unpack"):
        sources.load(str(tmp_path / "b.zip"), progress=False)
    assert not [name for name in everything(tmp_path / "home") if "archive-" in name]


def test_no_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", pictures())
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=10))
    with pytest.raises(FmlibError, match="unpacked it takes"):
        sources.load(str(path), progress=False)
    assert not [name for name in everything(tmp_path / "home") if "archive-" in name]


def kaggle_sends(monkeypatch, tmp_path, archive):
    """A Kaggle without a network: everything of kagglehub runs, but the bytes come from `archive`."""
    from kagglehub import http_resolver

    def deliver(response, target, handle, **_):
        shutil.copyfile(archive, target)

    monkeypatch.setattr(http_resolver, "build_kaggle_client", lambda: io.BytesIO())
    monkeypatch.setattr(http_resolver, "_get_current_version", lambda client, handle: 1)
    monkeypatch.setattr(http_resolver, "handle_call", lambda call, handle: None)
    monkeypatch.setattr(http_resolver, "download_file", deliver)
    monkeypatch.setattr(sources, "REPO", tmp_path)
    monkeypatch.delenv("FMLIB_FACE_MASK_12K", raising=False)
    (tmp_path / "data").mkdir()
    return http_resolver._extract_archive


def test_what_kaggle_sends_is_unpacked_by_us(tmp_path, monkeypatch):
    from kagglehub import http_resolver

    theirs = kaggle_sends(monkeypatch, tmp_path, zipped(tmp_path / "a.zip", pictures()))
    (tmp_path / "data" / "face-mask-12k.partial").mkdir()
    (tmp_path / "data" / "face-mask-12k.partial" / "1.archive").write_bytes(b"of an interrupted download")
    data = sources.load("face-mask-12k", progress=False)
    assert len(data) == 8 and data.root == tmp_path / "data" / "face-mask-12k" / "Set"
    assert http_resolver._extract_archive is theirs


def test_an_evil_archive_from_kaggle_is_refused(tmp_path, monkeypatch):
    kaggle_sends(monkeypatch, tmp_path, zipped(tmp_path / "a.zip", {"../../evil": b"x"}))
    with pytest.raises(FmlibError, match="leads out of the folder"):
        sources.load("face-mask-12k", progress=False)
    assert not list(tmp_path.rglob("evil")) and not (tmp_path / "data" / "face-mask-12k").exists()
