"""Loading folders: every layout is found, every odd file is read or listed with its reason, nothing is written."""

import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from fmlib import cli
from fmlib.config import REPO
from fmlib.data import audit, pictures, sources
from fmlib.errors import FmlibError, UsageError

SHARED = REPO.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FMLIB_FACE_MASK_12K", raising=False)


def picture(seed, side=40):
    """A smooth random picture that no other seed's is like."""
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC)


def fill(folder, seeds):
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        picture(seed).save(folder / f"{seed}.png")


def both(root, *splits, each=6):
    for number, split in enumerate(splits or [""]):
        fill(root / split / "WithMask", range(100 * number, 100 * number + each))
        fill(root / split / "WithoutMask", range(100 * number + 50, 100 * number + 50 + each))
    return root


@pytest.mark.parametrize("with_mask, without", [("with_mask", "Without Mask"), ("WITHMASK", "without-mask")])
@pytest.mark.parametrize("wrap", ["", "wrapping folder"])
def test_layouts_are_found_whatever_case_and_separators(tmp_path, with_mask, without, wrap):
    root = tmp_path / "set" / wrap
    for split in ("TRAIN", "val", "Test"):
        fill(root / split / with_mask, range(3))
        fill(root / split / without, range(3, 6))
    table = sources.load(str(tmp_path / "set"), progress=False).manifest
    assert table.groupby(["split", "label"]).size().tolist() == [3] * 6
    assert set(table["split"]) == {"train", "validation", "test"}
    assert table["path"].is_monotonic_increasing


def test_manifest_tells_size_bytes_and_content(tmp_path):
    data = sources.load(str(both(tmp_path / "set")), progress=False)
    row = data.manifest.iloc[0]
    assert (row["width"], row["height"]) == data.open(0).size == (40, 40)
    assert row["bytes"] == (data.root / row["path"]).stat().st_size
    assert data.manifest["phash"].dtype == np.uint64
    assert len(data.fingerprint) == 16


def test_second_load_reads_only_what_changed(tmp_path, monkeypatch):
    root = both(tmp_path / "set")
    first = sources.read(root, copies=False, progress=False)
    opened = []
    read = pictures.read_bytes
    monkeypatch.setattr(pictures, "read_bytes", lambda path: opened.append(path.name) or read(path))
    assert sources.read(root, copies=False, progress=False).fingerprint == first.fingerprint
    assert not opened
    fill(root / "WithMask", [77])
    assert sources.read(root, copies=False, progress=False).fingerprint != first.fingerprint
    assert opened == ["77.png"]


def test_nothing_is_written_into_the_folder(tmp_path):
    root = both(tmp_path / "set")
    before = {path: path.stat().st_mtime_ns for path in (root, *root.rglob("*"))}
    audit.of(sources.load(str(root), progress=False), progress=False)
    assert {path: path.stat().st_mtime_ns for path in (root, *root.rglob("*"))} == before


def test_broken_files_are_listed_with_the_reason(tmp_path):
    root = both(tmp_path / "set")
    folder = root / "WithMask"
    picture(1, 200).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:900])
    (folder / "text.png").write_text("no picture")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "empty.jpg").touch()
    (folder / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.jpg")
    Image.new("1", (20000, 20000)).save(folder / "bomb.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = sources.load(str(root), progress=False)
    reasons = {path.split("/")[1]: reason for path, reason in data.unreadable.to_numpy()}
    broken = {"cut.jpg", "text.png", "empty.jpg", "dangling.jpg", "pipe.jpg", "bomb.png"}
    assert set(reasons) == broken | {"phone.heic"}
    assert reasons["phone.heic"] == "HEIC is not read: convert it to JPEG or PNG"
    assert "truncated" in reasons["cut.jpg"]
    assert reasons["text.png"] == "not an image file"
    assert "0 bytes" in reasons["empty.jpg"]
    assert "megapixels" in reasons["bomb.png"]
    assert len(data) == 12


def test_links_in_a_circle_and_nested_folders_with_any_name(tmp_path):
    root = both(tmp_path / "set")
    fill(root / "WithMask" / "más" / "マスク", [901])
    (root / "WithMask" / "más" / "again").symlink_to(root / "WithMask")
    picture(902).save(root / "WithMask" / "A.png")
    picture(903).save(root / "WithMask" / "a.png")
    picture(904).save(os.fsencode(root / "WithMask") + b"/\xff.png", format="png")
    (root / "WithMask" / ".DS_Store").touch()
    data = sources.load(str(root), progress=False)
    assert len(data) == 16
    assert "WithMask/más/マスク/901.png" in set(data.manifest["path"])
    assert sources.load(str(root), progress=False).fingerprint == data.fingerprint
    assert data.unreadable.empty


def test_every_kind_of_picture_opens_as_eight_bit_rgb(tmp_path):
    grey = np.linspace(0, 65535, 30 * 20).reshape(20, 30).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    picture(1).convert("CMYK").save(tmp_path / "cmyk.jpg")
    clear = picture(2).convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    picture(3).quantize(16).save(tmp_path / "palette.gif", transparency=0)
    picture(4).save(tmp_path / "film.gif", save_all=True, append_images=[picture(5)])
    for path in sorted(tmp_path.iterdir()):
        if path.is_file():
            assert pictures.open_rgb(path).mode == "RGB"
    inked = np.asarray(pictures.open_rgb(tmp_path / "cmyk.jpg")).astype(int)
    assert np.abs(inked - np.asarray(picture(1))).mean() < 12  # and not inverted
    deep = np.asarray(pictures.open_rgb(tmp_path / "deep.png"))
    assert (deep.min(), deep.max()) == (0, 255)
    assert np.asarray(pictures.open_rgb(tmp_path / "clear.png")).min() == 255
    first = np.asarray(pictures.open_rgb(tmp_path / "film.gif")).astype(int)
    assert np.abs(first - np.asarray(picture(4))).mean() < 12


def test_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (30, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert pictures.open_rgb(tmp_path / "turned.jpg").size == (20, 30)


def test_misuse_is_told_in_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "one" / "WithMask", range(5))
    both(tmp_path / "few", each=2)
    (tmp_path / "hollow" / "WithMask").mkdir(parents=True)
    cases = {
        "no-such-set": "neither a folder nor one of synthetic, face-mask-12k",
        str(tmp_path / "missing"): "does not exist",
        str(tmp_path / "empty"): "no class folders",
        str(tmp_path / "one"): "both classes are needed",
        str(tmp_path / "few"): "only 2 origins",
        str(tmp_path / "hollow"): "no readable image",
    }
    for dataset, message in cases.items():
        with pytest.raises(UsageError, match=message):
            sources.load(dataset, progress=False)


def test_external_folder_may_hold_one_class(tmp_path):
    fill(tmp_path / "theirs" / "WithMask", range(2))
    data = sources.external(tmp_path / "theirs", progress=False)
    assert (data.name, len(data)) == ("theirs", 2)


@pytest.mark.parametrize("place", ["", "wrapping", "Train", "wrapping/Test"])
def test_a_folder_of_pictures_beside_a_class_folder_is_listed_as_not_read(tmp_path, place):
    folder = tmp_path / "set" / place
    fill(folder / "with-mask", range(3))
    fill(folder / "no_mask" / "deeper", [3])
    data = sources.external(tmp_path / "set", progress=False)
    assert len(data) == 3
    (path, reason), *others = data.unreadable.to_numpy().tolist()
    assert not others and data.root / path == folder / "no_mask"
    assert "WithMask" in reason and "WithoutMask" in reason
    assert f"unreadable: {path} ({reason})" in str(audit.of(data, progress=False))
    with pytest.raises(UsageError, match=f"both classes are needed to train; {path}: pictures in it are not"):
        sources.load(str(tmp_path / "set"), progress=False)


def test_a_split_folder_that_cannot_be_read_whole_is_listed(tmp_path):
    root = both(tmp_path / "set", "Train")
    fill(root / "Test" / "mask", range(900, 903))
    both(root / "Holdout")
    flat = both(both(tmp_path / "flat") / "Old").parent
    assert sources.external(flat, progress=False).unreadable["path"].tolist() == ["Old"]
    table = sources.external(root, progress=False).unreadable.set_index("path")["reason"]
    assert set(table.index) == {"Test/mask", "Holdout"}
    assert "WithMask" in table["Test/mask"] and "Validation" in table["Holdout"]


@pytest.mark.parametrize("splits", [[], ["Train", "Test"]])
def test_folders_that_are_no_class_of_pictures_are_not_listed(tmp_path, splits):
    root, mine = both(tmp_path / "set", *splits), splits[0] if splits else ""
    fill(root / "samples" if splits else root / ".samples", range(900, 903))
    fill(tmp_path / "elsewhere", range(903, 906))
    (root / mine / "link").symlink_to(tmp_path / "elsewhere")
    (root / mine / "hollow").mkdir()
    for name in ("notes/read.txt", "__MACOSX/._0.png", "notes/.thumbnails/0.png", "notes/Thumbs.db"):
        (root / mine / name).parent.mkdir(parents=True, exist_ok=True)
        (root / mine / name).touch()
    assert sources.external(root, progress=False).unreadable.empty


def test_sample_of_a_folder_takes_whole_groups(tmp_path):
    root = both(tmp_path / "set", each=20)
    for number in range(20):
        shutil.copy(root / "WithMask" / "0.png", root / "WithMask" / f"copy{number}.png")
    data = sources.load(str(root), images=30, progress=False)
    whole = sources.load(str(root), progress=False).manifest
    for group, part in data.manifest.groupby("group"):
        assert len(part) == (whole["group"] == group).sum()


def test_kaggle_download_goes_into_data_and_failure_names_the_remedy(tmp_path, monkeypatch):
    import kagglehub

    monkeypatch.setattr(sources, "REPO", tmp_path)
    (tmp_path / "data").mkdir()

    def offline(handle, output_dir):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(kagglehub, "dataset_download", offline)
    with pytest.raises(FmlibError, match=r"Kaggle \(Name or service.*FMLIB_FACE_MASK_12K") as caught:
        sources.load("face-mask-12k", progress=False)
    assert caught.value.exit_status == 1
    asked = []
    monkeypatch.setattr(
        kagglehub,
        "dataset_download",
        lambda handle, output_dir: (
            asked.append(handle) or both(tmp_path / "data" / "face-mask-12k.partial" / "Set")
        ),
    )
    for _ in range(2):  # the second load finds the copy
        data = sources.load("face-mask-12k", progress=False)
    assert asked == ["ashishjangra27/face-mask-12k-images-dataset"]
    assert data.root == tmp_path / "data" / "face-mask-12k" / "Set"
    assert data.sheet["licence"].startswith("CC0")


def test_variable_names_an_existing_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("FMLIB_FACE_MASK_12K", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="FMLIB_FACE_MASK_12K names"):
        sources.load("face-mask-12k")
    monkeypatch.setenv("FMLIB_FACE_MASK_12K", str(both(tmp_path / "copy")))
    assert sources.load("face-mask-12k", progress=False).name == "face-mask-12k"


def test_synthetic_set_knows_origins_and_attributes():
    data = sources.load("synthetic", images=40, progress=False)
    assert len(data) == 40
    assert {"wear", "origin", "skin_tone"} <= set(data.attributes)
    assert data.manifest["group"].str.startswith("origin:").all()
    assert data.manifest.groupby("origin")["group"].nunique().max() == 1


@pytest.mark.skipif(os.cpu_count() == 1, reason="one processor renders without further processes")
def test_a_script_without_a_guard_is_told_so_and_does_not_hang(tmp_path):
    script = tmp_path / "script.py"
    script.write_text('from fmlib.data import sources\nsources.load("synthetic", images=100, seed=3)\n')
    environment = os.environ | {"FMLIB_HOME": str(tmp_path), "PYTHONPATH": str(REPO)}
    ended = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1 and 'if __name__ == "__main__":' in ended.stderr


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared photographs")
def test_real_photographs_load():
    data = sources.external(SHARED / "external-dev", progress=False)
    assert (len(data), len(data.unreadable)) == (600, 0)


def linked(tmp_path):
    """A set with links that stay inside and links that lead out, one to a file and one to a folder."""
    root = both(tmp_path / "set")
    fill(tmp_path / "elsewhere", range(700, 703))
    (root / "WithMask" / "inner.png").symlink_to(root / "WithMask" / "0.png")
    (root / "WithMask" / "file.png").symlink_to(tmp_path / "elsewhere" / "700.png")
    (root / "WithMask" / "folder").symlink_to(tmp_path / "elsewhere")
    return root


def test_links_out_of_the_folder_are_followed_only_when_told(tmp_path, monkeypatch):
    root = linked(tmp_path)
    data = sources.load(str(root), progress=False)
    assert data.unreadable["path"].tolist() == ["WithMask/file.png", "WithMask/folder"]
    assert data.unreadable["reason"].str.contains("FMLIB_FOLLOW_LINKS=1").all()
    assert len(data) == 13
    monkeypatch.setenv("FMLIB_FOLLOW_LINKS", "1")
    data = sources.load(str(root), progress=False)
    assert len(data) == 13 + 4 and data.unreadable.empty


def test_a_linked_class_or_split_folder_is_named(tmp_path):
    both(tmp_path / "other", "Train", "Test")
    for name in ("Train/WithMask", "Test"):
        root = tmp_path / f"set {name[:2]}"
        both(root, "Train")
        if name == "Train/WithMask":
            shutil.rmtree(root / name)
        (root / name).symlink_to(tmp_path / "other" / name)
        listed = sources.external(root, progress=False).unreadable["path"].tolist()
        assert listed == ([name] if name != "Test" else ["Test/WithMask", "Test/WithoutMask"])


def test_links_that_cannot_be_resolved_cost_nobody_else(tmp_path, monkeypatch):
    root, closed = both(tmp_path / "set"), str(tmp_path / "closed")
    links = [str(root / name) for name in ("a", "attributes.csv", "WithMask/a.png")]
    for link in links:
        os.symlink(closed, link)
    os.symlink("nowhere", closed)  # as /proc/1/cwd, of which only root may know where it leads

    def refusing(call, paths):
        def refuse(path, *arguments, **options):
            if str(path) in paths and options.get("follow_symlinks", True):
                raise PermissionError(13, "Permission denied", str(path))
            return call(path, *arguments, **options)

        return refuse

    monkeypatch.setattr(os, "stat", refusing(os.stat, links))
    monkeypatch.setattr(os, "readlink", refusing(os.readlink, [closed]))
    data = sources.load(str(root), progress=False)
    assert len(data) == 12
    assert data.unreadable.to_numpy().tolist() == [["WithMask/a.png", "cannot be read: Permission denied"]]


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "link").symlink_to(both(tmp_path / "set"))
    data = sources.load(str(tmp_path / "link"), progress=False)
    assert len(data) == 12 and data.unreadable.empty


def test_attributes_are_read_from_a_plain_file_only(tmp_path):
    root = both(tmp_path / "set")
    os.mkfifo(root / "attributes.csv")  # reading it would never end
    assert sources.load(str(root), progress=False).attributes == []
    (root / "attributes.csv").unlink()
    (tmp_path / "secret.csv").write_text("path,origin\nWithMask/0.png,x\n")
    (root / "attributes.csv").symlink_to(tmp_path / "secret.csv")
    assert sources.load(str(root), progress=False).attributes == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_and_files_without_permission_are_listed(tmp_path):
    root = both(tmp_path / "set")
    (root / "WithMask" / "0.png").chmod(0)
    fill(root / "WithMask" / "closed", [800])
    (root / "WithMask" / "closed").chmod(0)
    data = sources.load(str(root), progress=False)
    (root / "WithMask" / "closed").chmod(0o700)
    assert len(data) == 11
    assert dict(data.unreadable.to_numpy()) == {
        "WithMask/0.png": "no permission to read it",
        "WithMask/closed": "folder cannot be read: Permission denied",
    }


def test_a_folder_that_cannot_be_listed_is_a_problem_and_costs_nobody_else(tmp_path, monkeypatch):
    root = both(tmp_path / "set")
    fill(root / "WithMask" / "closed", [800])
    scan = os.scandir

    def refusing(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    data = sources.load(str(root), progress=False)
    assert len(data) == 12
    assert data.unreadable.to_numpy().tolist() == [
        ["WithMask/closed", "folder cannot be read: Permission denied"]
    ]


def test_names_of_data_sets_mean_nothing_to_what_shows_them(tmp_path):
    root = both(tmp_path / "<b>$\\frac*`\x1b[2J")
    name = sources.load(str(root), progress=False).name
    assert name == "_b___frac____2J"
    assert (
        sources.load(str(both(tmp_path / "Anna's set-2_マスク (1)")), progress=False).name
        == "Anna's set-2_マスク (1)"
    )


def test_turning_and_flattening_equal_pillow(tmp_path):
    clear = picture(2).convert("RGBA")
    clear.putalpha(picture(3).convert("L"))
    exif = clear.getexif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        clear.save(tmp_path / "clear.png", exif=exif)
        white = Image.new("RGBA", clear.size, "white")
        expected = Image.alpha_composite(white, ImageOps.exif_transpose(Image.open(tmp_path / "clear.png")))
        found = np.asarray(pictures.open_rgb(tmp_path / "clear.png")).astype(int)
        assert np.abs(found - np.asarray(expected.convert("RGB"))).max() <= 1


def test_only_formats_of_photographs_are_opened(tmp_path):
    for suffix in ("eps", "tga", "ico", "psd"):
        try:
            picture(1).save(tmp_path / f"x.{suffix}")
        except (KeyError, ValueError):  # Pillow does not write it
            (tmp_path / f"x.{suffix}").write_bytes(b"8BPS\0\1" + bytes(200))
        with pytest.raises(pictures.UnreadableError, match="not an image file"):
            pictures.open_rgb(tmp_path / f"x.{suffix}")


def test_what_could_not_be_read_for_a_moment_is_read_the_next_time(tmp_path, monkeypatch):
    root, read = both(tmp_path / "set"), pictures.read_bytes

    def failing(path):
        if path.name == "3.png":
            raise pictures.UnreadableError("cannot be read: Input/output error")
        return read(path)

    monkeypatch.setattr(pictures, "read_bytes", failing)
    assert sources.read(root, copies=False, progress=False).unreadable.path.tolist() == ["WithMask/3.png"]
    monkeypatch.setattr(pictures, "read_bytes", read)
    assert len(sources.read(root, copies=False, progress=False)) == 12


def test_files_that_each_class_numbers_by_itself_are_of_no_common_origin(tmp_path):
    for number, name in enumerate(("WithMask", "WithoutMask")):
        (tmp_path / name).mkdir()
        for seed in range(6):
            for copy in (0, 1):
                file = f"{seed}_jpg.rf.{copy:032x}.png"
                picture(1000 * number + 10 * seed + copy).save(tmp_path / name / file)
    table = sources.load(str(tmp_path), progress=False).manifest
    assert table.group.nunique() == 12 and (table.groupby("group").label.nunique() == 1).all()


def test_class_folders_beside_those_that_are_read_are_listed(tmp_path):
    both(tmp_path / "2020")
    both(tmp_path / "2021")
    data = sources.load(str(tmp_path), progress=False)
    assert len(data) == 12 and data.unreadable.path.tolist() == ["2021"]
    assert "put both into one" in data.unreadable.reason[0]


@pytest.mark.parametrize(
    "text",
    [
        "path,yaw\n7,1\n",
        "path,origin,wear\nWithMask/0.png,x,proper\n",
        "origin\nx\n",
        "path,origin\n"
        + "".join(f"With{out}Mask/{50 * bool(out) + n}.png,\n" for out in ("", "out") for n in range(6)),
    ],
    ids=["paths of numbers", "of one image", "no path", "no origin"],
)
def test_attributes_that_do_not_tell_of_every_image_are_not_used_and_listed(tmp_path, text):
    root = both(tmp_path / "set")
    (root / "attributes.csv").write_text(text)
    data = sources.load(str(root), progress=False)
    assert data.attributes == [] and data.manifest.group.nunique() == 12
    assert data.unreadable.path.tolist() == ["attributes.csv"]
    assert data.unreadable.reason[0].startswith("not used")


def test_a_folder_called_like_a_known_set_is_not_taken_for_it(tmp_path):
    data = sources.load(str(both(tmp_path / "face-mask-12k")), progress=False)
    assert data.sheet["licence"] == "not stated"
    assert data.name == "face-mask-12k-folder"  # whose figures take no others' place


def test_places_that_are_none_are_told_in_one_sentence(tmp_path, capsys):
    (tmp_path / "loop").symlink_to("loop")
    for place in ("~nosuchuser/x", str(tmp_path / "loop")):
        for command in (["audit", place], ["report", "--dataset", place], ["report", "--external", place]):
            assert cli.main(command) == 2
            err = capsys.readouterr().err
            assert err.startswith("Error: ") and len(err.splitlines()) == 1 and place in err


def test_a_published_side_of_one_class_is_refused_before_anything_runs(tmp_path, capsys):
    both(tmp_path / "set", "Train", each=10)
    fill(tmp_path / "set" / "Test" / "WithMask", range(900, 903))
    assert cli.main(["report", "--dataset", str(tmp_path / "set"), "--out", str(tmp_path / "out")]) == 2
    assert "the published test images hold none without mask" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
