"""LingBot-World's inputs (wan/image2video.py there) and ViPE's results (vipe/utils/io.py there).

LingBot: `poses.npy` [T, 4, 4] is camera to world, OpenCV; `intrinsics.npy` [T, 4] is fx, fy, cx,
cy in pixels *of an 832x480 picture*, whatever the size of the video: its code rescales from there.
A pose per frame, 16 frames a second; the positions have a scale of their own (ours: metres, z up).

<name>/poses.npy, intrinsics.npy, prompt.txt, image.jpg (the first frame), video.mp4

ViPE: `pose/<name>.npz` and `intrinsics/<name>.npz` with `data` and `inds` (the frames that have
one); camera to world, OpenCV, pixels of `rgb/<name>.mp4`, metres as far as ViPE can tell. Its depth
(OpenEXR in zip files) is not read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture import files, pictures
from capture.formats import pixels, text
from capture.formats.pixels import Video
from capture.formats.record import Declared, Format, Posed, Slot

# The size that LingBot's intrinsics speak of.
SIZE_PX = (832, 480)


def _lingbot_found(path: Path) -> list[Path]:
    if (path / "poses.npy").is_file():
        return [path]
    return sorted(file.parent for file in path.glob("*/poses.npy"))


def _read(folder: Path) -> Posed:
    poses = _shaped(folder / "poses.npy", pixels.load_npy(folder / "poses.npy"), (4, 4))
    intrinsics = None
    if (folder / "intrinsics.npy").is_file():
        values = pixels.load_npy(folder / "intrinsics.npy")
        values = values[None] if values.ndim == 1 else values
        intrinsics = _shaped(folder / "intrinsics.npy", values, (4,))
        if len(intrinsics) == 1:
            intrinsics = np.repeat(intrinsics, len(poses), 0)
        intrinsics = _same_length(folder / "intrinsics.npy", intrinsics, poses)
    video = next(iter(sorted(folder.glob("*.mp4"))), None)
    rgb, fps, lacks = pixels.beside(video, len(poses))
    prompt = folder / "prompt.txt"
    return Posed(
        name=text.plain_name(folder.resolve().name),
        format=FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv"),
        cam_to_world=poses,
        fps=fps,
        intrinsics=None if intrinsics is None else intrinsics / [*SIZE_PX, *SIZE_PX],
        intrinsics_unit="image",
        rgb=rgb,
        caption="\n".join(text.lines(prompt)) if prompt.is_file() else "",
        lacks=lacks,
    )


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`<name>/` with poses, intrinsics, caption, first frame and video."""
    path, (width, height) = item.trajectory(), item.size()
    shares = item.intrinsics_px() / [width, height, width, height]
    with files.replacing_folder(root / item.name) as folder:
        np.save(folder / "poses.npy", path.cam_to_world, allow_pickle=False)
        np.save(folder / "intrinsics.npy", shares * [*SIZE_PX, *SIZE_PX], allow_pickle=False)
        (folder / "prompt.txt").write_text(item.caption + "\n", "utf-8")
        pictures.write_jpeg(folder / "image.jpg", next(item.pictures().frames(0, 1)))
        pixels.write_mp4(item.pictures(), folder / "video.mp4", item.rate())


def _vipe_found(path: Path) -> list[Path]:
    return sorted((path / "pose").glob("*.npz"))


def _read_vipe(file: Path) -> Posed:
    root, name = file.parent.parent, file.stem
    camera = root / "intrinsics" / f"{name}.npz"
    index, poses = _indexed(file, (4, 4))
    notes, intrinsics = [], None
    if camera.is_file():
        frames, values = _indexed(camera, (-1,))
        of_frame = dict(zip(frames.tolist(), values[:, :4], strict=True))
        if all(frame in of_frame for frame in index.tolist()):
            intrinsics = np.array([of_frame[frame] for frame in index.tolist()])
        else:
            notes.append(f"{camera}: some frames with a pose have no intrinsics")
    video = root / "rgb" / f"{name}.mp4"
    there = video.is_file()
    return Posed(
        name=text.plain_name(name),
        format=VIPE_FORMAT.name,
        declared=Declared(pose="c2w", axes="opencv", unit="m"),
        cam_to_world=poses,
        fps=pixels.video_rate(video) if there else None,
        frame_index=index,
        intrinsics=intrinsics,
        rgb=Video(source=video) if there else None,
        notes=tuple(notes),
    )


def write_vipe(item: Posed, root: Path, slot: Slot) -> None:
    """`rgb/<name>.mp4`, `intrinsics/<name>.npz`, then `pose/<name>.npz`."""
    path, intrinsics = item.trajectory(), item.intrinsics_px()
    index = np.arange(len(path))
    with files.replacing(root / "rgb" / f"{item.name}.mp4") as temporary:
        pixels.write_mp4(item.pictures(), temporary, item.rate())
    for kind, data in (("intrinsics", intrinsics), ("pose", path.cam_to_world)):
        with files.replacing(root / kind / f"{item.name}.npz") as temporary:
            np.savez(temporary, allow_pickle=False, data=data, inds=index)


def _indexed(file: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """`inds` and `data` of an npz."""
    arrays = pixels.load_npz(file, "data", "inds")
    index, data = arrays["inds"], _shaped(file, arrays["data"], shape)
    if index.shape != (len(data),) or index.dtype.kind not in "iu":
        raise ValueError(f"{file}: expected one frame number for each of {len(data)} entries")
    return index.astype(np.int64), data


def _shaped(file: Path, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    fits = len(values.shape) == len(shape) + 1 and len(values) > 0
    if not fits or any(a not in (b, -1) for a, b in zip(shape, values.shape[1:], strict=True)):
        wanted = ", ".join(["T", *("n" if n < 0 else str(n) for n in shape)])
        raise ValueError(f"{file}: expected the shape [{wanted}], got {list(values.shape)}")
    return values.astype(np.float64)


def _same_length(file: Path, values: np.ndarray, poses: np.ndarray) -> np.ndarray:
    if len(values) != len(poses):
        raise ValueError(f"{file}: {len(values)} rows for {len(poses)} poses")
    return values


FORMAT = Format(
    name="lingbot",
    title="camera to world, 4x4, OpenCV axes, metres; pixels of 832x480; MP4; a pose per frame",
    places=_lingbot_found,
    load=_read,
    otherwise="has no poses.npy, neither itself nor in the folders inside",
    write=write,
)
VIPE_FORMAT = Format(
    name="vipe",
    title="camera to world, 4x4, OpenCV axes, metres; pixels; MP4; a pose per frame",
    places=_vipe_found,
    load=_read_vipe,
    otherwise="has no pose/*.npz",
    write=write_vipe,
    mark=lambda name, slot: f"pose/{name}.npz",
)
