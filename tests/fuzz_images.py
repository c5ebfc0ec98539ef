"""Broken and hostile pictures, made from a seed, put through everything that opens pictures.

    python tests/fuzz_images.py --files 2000 --seed 0        (or: make fuzz)

Every file has to come out as a picture or with a reason; no file may take more than 5 s of a processor, and all of
them together, read in threads, no more than 1 GB of memory beyond what the libraries take that are imported.
"""

import argparse
import io
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SECONDS = 5.0  # of a processor, for one file
MEGABYTES = 1000  # beyond the imported libraries
SUFFIXES = ("jpg", "png", "webp", "gif", "bmp", "tif", "jpeg", "PNG", "txt")
ODD = ("", "", "", "マスク", "a b", "\x1b[2J", "new\nline", "'\"", "<script>", "🙂", "\udcff", ",;", "=1+1")


# --- sound pictures -------------------------------------------------------------------------------------------


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """A picture as the bytes of a file."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def sound() -> dict[str, bytes]:
    """Small pictures in every format and mode that cameras and the web produce, by name."""
    values = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    colour = Image.fromarray(values).resize((63, 56), Image.Resampling.BICUBIC)
    other = colour.transpose(Image.Transpose.ROTATE_180)
    clear = colour.convert("RGBA")
    clear.putalpha(colour.convert("L"))
    deep = Image.fromarray(np.asarray(colour.convert("L"), dtype=np.uint16) * 257)
    real = Image.fromarray(np.asarray(colour.convert("L"), dtype=np.float32) / 255)
    exif = colour.getexif()
    exif[0x0112], exif[0x010E] = 6, "described"
    film = {"save_all": True, "append_images": [other, colour]}
    return {
        "jpeg": encoded(colour, "jpeg", exif=exif),
        "jpeg progressive": encoded(colour, "jpeg", progressive=True),
        "jpeg grey": encoded(colour.convert("L"), "jpeg"),
        "jpeg cmyk": encoded(colour.convert("CMYK"), "jpeg"),
        "png": encoded(colour, "png", exif=exif),
        "png clear": encoded(clear, "png"),
        "png palette": encoded(colour.quantize(16), "png", transparency=0),
        "png deep": encoded(deep, "png"),
        "png bits": encoded(colour.convert("1"), "png"),
        "webp": encoded(colour, "webp", exif=exif),
        "webp lossless": encoded(clear, "webp", lossless=True),
        "webp film": encoded(colour, "webp", **film),
        "gif": encoded(colour, "gif"),
        "gif film": encoded(colour.quantize(8), "gif", transparency=0, **film),
        "bmp": encoded(colour, "bmp"),
        "bmp palette": encoded(colour.quantize(16), "bmp"),
        "tiff": encoded(colour, "tiff"),
        "tiff lzw": encoded(clear, "tiff", compression="tiff_lzw"),
        "tiff jpeg": encoded(colour, "tiff", compression="jpeg"),
        "tiff deflate": encoded(deep, "tiff", compression="tiff_adobe_deflate"),
        "tiff float": encoded(real, "tiff"),
        "tiff pages": encoded(colour, "tiff", **film),
    }


# --- what is done to them -------------------------------------------------------------------------------------


def flipped(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Some bits turned over."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 2, 4, 16, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flipped_head(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Some bits turned over where sizes, modes and offsets stand."""
    head = min(len(content), 120)
    return flipped(content[:head], others, rng) + content[head:]


def resealed(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A PNG whose chunks are damaged under a sum that is right."""
    return png(*[(kind, flipped(data, others, rng) if data else b"") for kind, data in chunks(content)])


def cut(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The beginning only."""
    return content[: rng.randrange(len(content))]


def beheaded(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Another file's first bytes."""
    size = rng.choice((4, 8, 16, 32, 64))
    return rng.choice(others)[:size] + content[size:]


def spliced(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The beginning of this file and the end of another."""
    other = rng.choice(others)
    return content[: rng.randrange(len(content))] + other[rng.randrange(len(other)) :]


def repeated(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A part of the file many times over."""
    start = rng.randrange(len(content))
    part = content[start : start + rng.randrange(1, 200)]
    return content[:start] + part * rng.randrange(2, 500) + content[start:]


def blanked(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A stretch of one byte value."""
    start, length = rng.randrange(len(content)), rng.randrange(1, 400)
    return content[:start] + bytes([rng.choice((0, 255))]) * length + content[start + length :]


def enlarged(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Every field that holds the width or the height claims more."""
    claimed = rng.choice((5_000, 20_000, 65_535))
    for true in (63, 56):
        for order in ("<H", ">H", "<I", ">I"):
            content = content.replace(struct.pack(order, true), struct.pack(order, claimed))
    return resealed_as_is(content) if content.startswith(b"\x89PNG") else content


def nonsense(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """No picture at all."""
    texts = (b"", b"\0", b"GIF89a", b"<html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"BM")
    return rng.choice((*texts, rng.randbytes(rng.randrange(1, 5_000))))


def untouched(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The picture as it is, though perhaps under another format's name."""
    return content


MUTATIONS: tuple[Callable[[bytes, list[bytes], random.Random], bytes], ...] = (
    *(flipped, flipped_head, resealed, cut, beheaded, spliced),
    *(repeated, blanked, enlarged, nonsense, untouched),
)


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of a PNG's chunks; of any other file the whole as one."""
    if not content.startswith(b"\x89PNG"):
        yield b"IDAT", content
        return
    place = 8
    while place + 8 <= len(content):
        size = struct.unpack(">I", content[place : place + 4])[0]
        yield content[place + 4 : place + 8], content[place + 8 : place + 8 + size]
        place += size + 12


def png(*parts: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks."""
    sealed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(sealed)


def resealed_as_is(content: bytes) -> bytes:
    return png(*chunks(content))


def bomb(side: int, depth: int, colour: int, channels: int) -> bytes:
    """A sound PNG of one colour, few bytes and very many pixels."""
    pack = zlib.compressobj(1)
    line = bytes(1 + -(-side * depth * channels // 8))
    data = b"".join(pack.compress(line) for _ in range(side)) + pack.flush()
    head = struct.pack(">2I5B", side, side, depth, colour, 0, 0, 0)
    return png((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))


def bombs() -> dict[str, bytes]:
    """Pictures just below the limit in the modes that take most memory, some of each, and one far above."""
    below = {"clear": (8, 6, 4), "deep": (16, 0, 1), "colour": (8, 2, 3)}
    found = {f"bomb {name}": bomb(7_000, *form) for name, form in below.items()}
    return {f"{name} {copy}": data for name, data in found.items() for copy in (1, 2)} | {
        "bomb above": bomb(20_000, 1, 0, 1)
    }


def mutants(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents of `count` files, the same for the same seed."""
    rng = random.Random(seed)
    whole = sound()
    for index in range(count):
        base, content = rng.choice(list(whole.items()))
        mutation = MUTATIONS[index % len(MUTATIONS)]
        name = f"{index:05d} {base} {mutation.__name__} {rng.choice(ODD)}.{rng.choice(SUFFIXES)}"
        yield name, mutation(content, list(whole.values()), rng)


def write(folder: Path, count: int, seed: int, with_bombs: bool) -> list[str]:
    """Write the files of a data set; returns their paths below `folder`."""
    files = dict(mutants(count, seed)) | (bombs() if with_bombs else {})
    paths = []
    for index, (name, content) in enumerate(files.items()):
        paths.append(f"{('WithMask', 'WithoutMask')[index % 2]}/{name}")
        path = Path(os.fsdecode(os.fsencode(folder / paths[-1])))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return paths


# --- what they are put through --------------------------------------------------------------------------------


def untrained_run(folder: Path, side: int = 32) -> Path:
    """The folder of a classifier run that was never trained: enough to judge pictures with."""
    from safetensors.torch import save_model

    from fmlib import models, store

    folder.mkdir(parents=True)
    config = {"model": "resnet18", "activation": None, "side": side, "pretrained": False}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "predictions.csv").write_text(
        "path,group,split,label,logit\na,a,validation,1,1\nb,b,validation,0,-1\n"
    )
    save_model(models.build("resnet18", None, side), str(folder / "weights.safetensors"))
    store.write_json(folder / store.RECORD, {"files": store.hashes(folder)})
    return folder


def one_by_one(folder: Path, paths: list[str]) -> tuple[float, str]:
    """The most processor time that opening one file took, and which file that was."""
    from fmlib.data import pictures

    worst = (0.0, "")
    for path in paths:
        began = time.process_time()
        try:
            pictures.open_rgb(folder / path)
        except pictures.UnreadableError as error:
            assert str(error), path
        worst = max(worst, (time.process_time() - began, path))
    return worst


def put_through(folder: Path, paths: list[str]) -> dict:
    """Audit, decode and judge all files; returns path -> reason of those that were refused."""
    from fmlib import predict
    from fmlib.data import audit, decoding, sources

    data = sources.read(folder, progress=False)
    refused = dict(data.unreadable.to_numpy())
    read = set(data.manifest["path"])
    assert read | set(refused) == set(paths) and not read & set(refused)
    assert all(refused.values())
    str(audit.of(data, progress=False)).encode()
    assert len(decoding.decoded(data, 32)) == len(read)
    run = untrained_run(folder.parent / "run")
    judged = predict(run, [folder / path for path in paths])
    judged.to_csv(errors="surrogateescape")
    failed = dict(zip(paths, judged["error"], strict=True))
    assert {path for path, error in failed.items() if error} == set(refused)
    assert judged.loc[judged["error"] == "", "probability"].between(0, 1).all()
    return refused


def trial(count: int, seed: int) -> dict:
    """The whole trial in this process, in a folder and a store of its own."""
    import psutil

    from fmlib import predict  # noqa: F401  (its libraries, torch among them, are not what is measured)
    from fmlib.data import audit  # noqa: F401

    imported = psutil.Process().memory_info().rss
    with tempfile.TemporaryDirectory(prefix="fmlib-fuzz-") as place:
        os.environ["FMLIB_HOME"] = str(Path(place) / "home")
        folder = Path(place) / "set"
        paths = write(folder, count, seed, with_bombs=True)
        seconds, slowest = one_by_one(folder, paths)
        refused = put_through(folder, paths)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform == "linux" else 1)
    return {
        "files": len(paths),
        "refused": len(refused),
        "slowest": slowest,
        "slowest_s": round(seconds, 2),
        "memory_mb": round((most - imported) / 1e6),
    }


def limited() -> None:
    """Let a process that runs wild fail by itself before it takes the machine with it."""
    resource.setrlimit(resource.RLIMIT_DATA, (4 * 2**30, 4 * 2**30))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", action="store_true", help="run the trial itself, not a process for it")
    given = parser.parse_args()
    if given.inside:
        warnings.simplefilter("ignore", UserWarning)  # Pillow's remarks on damaged metadata
        print(json.dumps(trial(given.files, given.seed)))
        return 0
    command = [sys.executable, __file__, "--inside", "--files", str(given.files), "--seed", str(given.seed)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, preexec_fn=limited, check=False)
    if done.returncode:
        return 1
    found = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found))
    return int(found["slowest_s"] > SECONDS or found["memory_mb"] > MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
