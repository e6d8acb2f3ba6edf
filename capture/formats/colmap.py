"""COLMAP: a sparse model in text or binary (COLMAP's documentation, "Output Format").

Declares: poses are world to camera, a quaternion wxyz and a translation; OpenCV camera; pixel
centres lie at +0.5; positions have a scale and an orientation of their own (what we write is in
metres, z up). There are no times and no frame rate; a reader sorts the images by name.

<name>/images/frame_00001.png ...
<name>/sparse/0/{cameras,images,points3D}.{txt,bin}      the points are empty
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from capture import files
from capture.camera import Intrinsics, invert
from capture.formats import axes, pixels, text
from capture.formats.pixels import Images
from capture.formats.record import Declared, Format, Posed, Slot

# Model name and number of parameters, by COLMAP's own number.
_MODELS = (
    ("SIMPLE_PINHOLE", 3), ("PINHOLE", 4), ("SIMPLE_RADIAL", 4), ("RADIAL", 5), ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8), ("FULL_OPENCV", 12), ("FOV", 5), ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5), ("THIN_PRISM_FISHEYE", 12),
)  # fmt: skip
_ONE_FOCAL = (
    "SIMPLE_PINHOLE",
    "SIMPLE_RADIAL",
    "RADIAL",
    "SIMPLE_RADIAL_FISHEYE",
    "RADIAL_FISHEYE",
)
_IMAGE = "frame_%05d.png"
_PINHOLE = 1


@dataclass(frozen=True, slots=True)
class _Camera:
    model: str
    width_px: int
    height_px: int
    parameters: tuple[float, ...]

    def pinhole(self) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy."""
        if self.model in _ONE_FOCAL:
            focal, cx, cy = self.parameters[:3]
            return focal, focal, cx, cy
        fx, fy, cx, cy = self.parameters[:4]
        return fx, fy, cx, cy

    def is_bent(self) -> bool:
        """Whether there is lens distortion."""
        return any(self.parameters[3 if self.model in _ONE_FOCAL else 4 :])


@dataclass(frozen=True, slots=True)
class _Image:
    name: str
    camera: int
    pose: tuple[float, ...]


def _models(path: Path) -> list[tuple[Path, Path]]:
    """Pairs of a project's folder, where `images` lies, and its model's folder.

    A model is cameras.txt and images.txt (or .bin), of the path itself or of the folders in it.
    """
    own = _model_of(path)
    if own:
        return [own]
    inside = sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else []
    return [found for folder in inside if (found := _model_of(folder))]


def _model_of(project: Path) -> tuple[Path, Path] | None:
    for folder in (project, project / "sparse" / "0", project / "sparse"):
        for suffix in (".bin", ".txt"):
            if all((folder / f"{name}{suffix}").is_file() for name in ("cameras", "images")):
                inner = folder == project and project.parent.name == "sparse"
                return (project.parent.parent if inner else project), folder
    return None


def _read(found: tuple[Path, Path]) -> Posed:
    project, model = found
    if (model / "cameras.bin").is_file():
        cameras, images = _read_binary(model)
    else:
        cameras, images = _cameras_text(model / "cameras.txt"), _images_text(model / "images.txt")
    if not images:
        raise ValueError(f"{model}: the model has no images")
    images = sorted(images, key=lambda image: text.natural(image.name))
    for image in images:
        if image.camera not in cameras:
            raise ValueError(f"{model}: image {image.name} has the unknown camera {image.camera}")
    used = [cameras[image.camera] for image in images]
    where = f"{model}: images"
    pictures = tuple(text.inside(project / "images", image.name, where) for image in images)
    there = all(picture.is_file() for picture in pictures)
    poses = np.array([image.pose for image in images])
    sizes = {(camera.width_px, camera.height_px) for camera in used}
    notes = []
    if bent := sorted({camera.model for camera in used if camera.is_bent()}):
        notes.append(f"{model}: the lens distortion of {', '.join(bent)} is not applied")
    if len(sizes) > 1:
        notes.append(f"{model}: the pictures have {len(sizes)} different sizes")
    return Posed(
        name=text.plain_name(project.resolve().name),
        format=FORMAT.name,
        declared=Declared(pose="w2c", axes="opencv"),
        cam_to_world=axes.invert(axes.from_quaternions(poses[:, :4], poses[:, 4:])),
        intrinsics=np.array([camera.pinhole() for camera in used]),
        size_px=sizes.pop() if len(sizes) == 1 else None,
        rgb=Images(pictures) if there else None,
        notes=tuple(notes),
        lacks=() if there else (f"{project}/images lacks pictures that the model names",),
    )


def _cameras_text(path: Path) -> dict[int, _Camera]:
    counts = dict(_MODELS)
    cameras = {}
    for number, line in text.rows(path):
        where, fields = f"{path}:{number}", line.split()
        if len(fields) < 5 or fields[1] not in counts:
            raise ValueError(
                f"{where}: expected CAMERA_ID MODEL WIDTH HEIGHT PARAMS[], got {line!r}"
            )
        size = text.numbers(fields[2:4], 2, where, "width, height")
        values = text.numbers(fields[4:], counts[fields[1]], where, f"parameters of {fields[1]}")
        camera = _Camera(fields[1], int(size[0]), int(size[1]), tuple(values))
        cameras[_id(fields[0], where)] = camera
    return cameras


def _images_text(path: Path) -> list[_Image]:
    """Every image takes two lines; the second one, of its points, may be empty."""
    images, is_points = [], False
    for number, line in enumerate(text.lines(path), start=1):
        if is_points:
            is_points = False
            continue
        if not line.strip() or line.startswith("#"):
            continue
        where, fields = f"{path}:{number}", line.split(maxsplit=9)
        if len(fields) != 10:
            raise ValueError(
                f"{where}: expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, got {line!r}"
            )
        pose = text.numbers(fields[1:8], 7, where, "QW QX QY QZ TX TY TZ")
        images.append(_Image(fields[9].strip(), _id(fields[8], where), tuple(pose)))
        is_points = True
    return images


def _id(field: str, where: str) -> int:
    if not field.isdecimal():
        raise ValueError(f"{where}: expected a whole number as an id, got {field!r}")
    return int(field)


class _Bytes:
    """A binary file from front to back; every error names the file and the offset."""

    def __init__(self, path: Path):
        self._path, self._data, self._at = path, path.read_bytes(), 0

    def take(self, form: str) -> tuple:
        size = struct.calcsize(f"<{form}")
        if self._at + size > len(self._data):
            raise ValueError(f"{self._path}: ends at byte {len(self._data)}, in mid-record")
        values = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += size
        return values

    def name(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise ValueError(f"{self._path}: the name at byte {self._at} does not end")
        raw, self._at = self._data[self._at : end], end + 1
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{self._path}: the name at byte {end} is no UTF-8 text") from error

    def skip(self, size: int) -> None:
        self._at += size


def _read_binary(model: Path) -> tuple[dict[int, _Camera], list[_Image]]:
    source, cameras = _Bytes(model / "cameras.bin"), {}
    for _ in range(source.take("Q")[0]):
        camera, kind, width, height = source.take("iiQQ")
        if not 0 <= kind < len(_MODELS):
            raise ValueError(f"{model / 'cameras.bin'}: unknown camera model {kind}")
        name, count = _MODELS[kind]
        cameras[camera] = _Camera(name, width, height, source.take(f"{count}d"))
    source, images = _Bytes(model / "images.bin"), []
    for _ in range(source.take("Q")[0]):
        source.take("I")
        pose, camera = source.take("7d"), source.take("I")[0]
        images.append(_Image(source.name(), camera, pose))
        source.skip(24 * source.take("Q")[0])
    return cameras, images


def _write(item: Posed, root: Path, save: Callable[[Path, Intrinsics, np.ndarray], None]) -> None:
    world_to_cam, camera = invert(item.trajectory().cam_to_world), item.camera()
    poses = np.hstack([axes.to_quaternions(world_to_cam), world_to_cam[:, :3, 3]])
    with files.replacing_folder(root / item.name) as folder:
        pixels.write_images(item.pictures(), folder / "images", _IMAGE)
        model = folder / "sparse" / "0"
        model.mkdir(parents=True)
        save(model, camera, poses)


def _save_text(model: Path, k: Intrinsics, poses: np.ndarray) -> None:
    values = text.exact(k.fx_px, k.fy_px, k.cx_px, k.cy_px)
    (model / "cameras.txt").write_text(
        "# CAMERA_ID MODEL WIDTH HEIGHT FX FY CX CY\n"
        f"1 PINHOLE {k.width_px} {k.height_px} {values}\n"
    )
    rows = [f"{i + 1} {text.exact(*pose)} 1 {_IMAGE % i}\n\n" for i, pose in enumerate(poses)]
    head = "# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, world to camera; then its points\n"
    (model / "images.txt").write_text(head + "".join(rows))
    (model / "points3D.txt").write_text("# no points\n")


def _save_binary(model: Path, k: Intrinsics, poses: np.ndarray) -> None:
    (model / "cameras.bin").write_bytes(
        struct.pack(
            "<QiiQQ4d", 1, 1, _PINHOLE, k.width_px, k.height_px,
            k.fx_px, k.fy_px, k.cx_px, k.cy_px,
        )
    )  # fmt: skip
    records = [
        struct.pack("<I7dI", i + 1, *pose, 1) + (_IMAGE % i).encode() + struct.pack("<xQ", 0)
        for i, pose in enumerate(poses.tolist())
    ]
    (model / "images.bin").write_bytes(struct.pack("<Q", len(poses)) + b"".join(records))
    (model / "points3D.bin").write_bytes(struct.pack("<Q", 0))


def write(item: Posed, root: Path, slot: Slot) -> None:
    """`<name>/` with images and a binary model, which COLMAP and gsplat open as it is."""
    _write(item, root, _save_binary)


def write_text(item: Posed, root: Path, slot: Slot) -> None:
    """The same with a model in text."""
    _write(item, root, _save_text)


_TITLE = "world to camera, quaternion wxyz, OpenCV axes, metres; PNG images; a pose per frame"
FORMAT = Format(
    name="colmap",
    title=f"{_TITLE}; binary",
    places=_models,
    load=_read,
    otherwise="has no COLMAP model: no cameras.txt, cameras.bin or sparse/0",
    write=write,
)
TEXT_FORMAT = replace(FORMAT, name="colmap-text", title=f"{_TITLE}; text", write=write_text)
