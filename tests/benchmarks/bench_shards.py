"""What reading shards costs beside bare decoding, plain webdataset, LitData and raw files.

    python tests/benchmarks/bench_shards.py [--width 832 --height 480 --clips 12 --windows 48]

Makes a dataset of noisy pictures in a temporary folder. All rows of a table take turns, window by
window, so that a busy machine slows them alike; rates are per second of CPU time, of one thread
with a warm page cache, or of a loader with its workers. LitData is measured where it is installed;
`bench_manifest.py` measures starting on a million samples.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import itertools
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[1]))

from box_room import BOX_NAMES, box_plan, box_scene

from capture import video
from capture.camera import Intrinsics
from capture.episode import EpisodeWriter
from capture.scene import Plan
from shards import codec, encoded, jobs, latents, writer
from shards.encoded import Encoder
from shards.latents import Latents
from shards.publish import publish
from shards.reader import ShardDataset
from shards.schema import Clip, Sample
from shards.windows import Window, WindowOrder

NUM_FRAMES = 81
LENGTH = 33
FPS = 16.0
# Of the loaders, which are too slow to take turns window by window.
TURNS = 2

Reader = Callable[[Window], object]


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 832), ("height", 480), ("clips", 12), ("windows", 48)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_dataset(Path(temporary), args.width, args.height, args.clips)
        planned = jobs.plan(folder, clips_per_shard=max(1, args.clips // 4))
        start = time.process_time()
        for job in planned:
            writer.write(job, folder)
        publish(folder, planned)
        took = time.process_time() - start
        size = sum(tar.stat().st_size for tar in (folder / "shards").glob("*.tar"))
        print(f"{args.clips} clips of {NUM_FRAMES} frames, {args.width}x{args.height}: ", end="")
        print(f"{size / 1e6:.1f} MB; windows of {LENGTH}")
        print(f"plan, cut, write, verify, publish: {args.clips / took:.1f} clips/s")
        dataset = ShardDataset(folder, "train")
        order = WindowOrder(dataset.lengths, seed=0, global_batch=4, phases=[(LENGTH, 1)])
        windows = list(itertools.chain(*itertools.islice(order.batches(0), args.windows // 4)))
        peer = litdata_folder(dataset, folder)
        measure_windows(dataset, folder, windows, peer)
        measure_bytes(dataset, folder, windows, peer)
        measure_latents(dataset, folder, windows)
        for workers in (1, 2, 4):
            measure_workers(dataset, folder, windows, peer, workers)


def make_dataset(folder: Path, width_px: int, height_px: int, num_clips: int) -> Path:
    """A dataset of moving, textured pictures: one episode per clip."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (height_px // 4 + 8, width_px // 4 + 120, 3), dtype=np.uint8)
    texture = cv2.resize(texture, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    rows = []
    for seed in range(num_clips):
        path = box_plan("loop", seed, NUM_FRAMES).trajectory
        plan = Plan(
            scene_id="box-0",
            generator="loop",
            seed=seed,
            fps=FPS,
            trajectory=path,
            intrinsics=Intrinsics.from_fov(width_px, height_px, 80.0),
            clearance_m=0.5,
        )
        with EpisodeWriter(
            folder / "episodes", plan=plan, scene=box_scene(), mask_names=BOX_NAMES, engine={}
        ) as episode:
            nothing = np.zeros((height_px, width_px), dtype=np.uint16)
            for t in range(NUM_FRAMES):
                rgb = np.ascontiguousarray(texture[:height_px, 4 * t : 4 * t + width_px])
                episode.add(
                    rgb=rgb,
                    depth_m=nothing.astype(np.float32) + 1.0,
                    mask=nothing,
                    reported_cm_deg=np.zeros(6),
                )
        rows.append(
            {
                "clip_id": f"box-0-{plan.id}-00000",
                "plan_id": plan.id,
                "scene_id": "box-0",
                "start": 0,
                "stop": NUM_FRAMES,
                "keep": True,
                "caption": "Noise.",
                "split": "train",
            }
        )
    pq.write_table(pa.Table.from_pylist(rows), folder / "clips.parquet")
    return folder


def measure_windows(
    dataset: ShardDataset, folder: Path, windows: list[Window], peer: Path | None
) -> None:
    """Decoded windows: the same work for everybody."""
    films = [dataset.part(i, "rgb.mp4") for i in range(len(dataset))]
    samples = endless(folder)
    readers: dict[str, Reader] = {
        "PyAV alone": lambda w: video.read_rgb(films[w.index], w.start, w.start + w.length),
        "its manual": lambda w: as_in_the_manual(films[w.index], w.start, w.start + w.length),
        "relickit": dataset.__getitem__,
        "webdataset": lambda w: codec.decode(next(samples), w.start, w.start + w.length),
    }
    if peer:
        stored = open_litdata(peer)
        readers["LitData"] = lambda w: codec.decode(stored[w.index], w.start, w.start + w.length)
    table("windows", take_turns(readers, windows))


def measure_bytes(
    dataset: ShardDataset, folder: Path, windows: list[Window], peer: Path | None
) -> None:
    """The bytes of samples, nothing decoded; only relickit compares checksums."""
    samples = endless(folder)
    readers: dict[str, Reader] = {
        "relickit": lambda w: dataset.parts(w.index),
        "webdataset": lambda w: next(samples),
    }
    if peer:
        stored = open_litdata(peer)
        readers["LitData"] = lambda w: stored[w.index]
    table("samples, bytes alone", take_turns(readers, windows * 10))


def measure_latents(dataset: ShardDataset, folder: Path, windows: list[Window]) -> None:
    """Latents of the windows that begin at a clip's first frame, against raw files."""
    height, width = dataset.window(0, 0, 1).frames.shape[1:3]
    shape = ((NUM_FRAMES - 1) // 4 + 1, 16, height // 8, width // 8)
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float16)
    encoder = Encoder(kind="latents", config={"window": LENGTH, "every": 0})
    mine = encoded.start(folder / "shards", encoder)
    planned = encoded.plan(folder / "shards", encoder)

    def encode(sample: Sample) -> dict[str, np.ndarray]:
        for kind in ("raw", "checked"):  # or one would find the other's bytes in the CPU's cache
            values.tofile(folder / f"{sample.key}.{kind}")
        return {latents.part_of(0): values}

    for job in planned:
        encoded.write(job, mine, encode)
    encoded.publish(folder / "shards", encoder, planned)
    stored, keys = Latents(folder, encoder.name), dataset.keys
    readers: dict[str, Reader] = {
        "raw files": lambda w: np.fromfile(folder / f"{keys[w.index]}.raw", np.float16),
        "with crc32": lambda w: zlib.crc32((folder / f"{keys[w.index]}.checked").read_bytes()),
        "relickit": lambda w: stored.window(keys[w.index], 0, LENGTH),
    }
    table(f"latents, {values.nbytes / 1e6:.1f} MB a clip", take_turns(readers, windows * 4))


def measure_workers(
    dataset: ShardDataset, folder: Path, windows: list[Window], peer: Path | None, workers: int
) -> None:
    """Decoded windows as tensors from loaders with worker processes."""
    batches = [windows[i : i + 4] for i in range(0, len(windows), 4)]
    loaders: dict[str, Callable[[], Iterable]] = {
        "relickit": lambda: DataLoader(
            dataset, batch_sampler=batches, num_workers=workers, collate_fn=collate
        ),
        "webdataset": lambda: webdataset_loader(folder, windows, workers),
    }
    if peer:
        loaders["LitData"] = lambda: litdata_loader(peer, windows, workers)
    spent = dict.fromkeys(loaders, 0.0)
    for name in [*loaders] * TURNS:
        before = cpu_s()
        count = sum(len(batch) for batch in loaders[name]())
        spent[name] += (cpu_s() - before) / count
    table(f"windows, {workers} workers", {name: TURNS / s for name, s in spent.items()})


def as_in_the_manual(film: bytes, start: int, stop: int) -> np.ndarray:
    """Frames [start, stop) as PyAV's manual shows it: a converter made anew for every frame."""
    with av.open(io.BytesIO(film)) as reader:
        stream = reader.streams.video[0]
        stream.codec_context.thread_count = 1
        per_frame = 1 / (stream.average_rate * stream.time_base)
        reader.seek(int(start * per_frame), stream=stream)
        found = []
        for frame in reader.decode(stream):
            if frame.pts >= start * per_frame:
                found.append(frame.to_ndarray(format="rgb24"))
            if len(found) == stop - start:
                break
    return np.stack(found)


def collate(clips: list[Clip]) -> torch.Tensor:
    """Frames of a batch."""
    return torch.from_numpy(np.stack([clip.frames for clip in clips]))


def plain(folder: Path) -> Iterable[dict]:
    """Plain webdataset over the same tars."""
    import webdataset

    urls = sorted(str(tar) for tar in (folder / "shards").glob("train-*.tar"))
    return webdataset.WebDataset(urls, shardshuffle=False)


def endless(folder: Path) -> Iterator[dict]:
    """Its samples, over and over."""
    while True:
        yield from plain(folder)


class _Decoded(torch.utils.data.IterableDataset):
    """Windows of what webdataset streams: each worker has its shards and its share of windows."""

    def __init__(self, folder: Path, windows: list[Window]):
        self.folder, self.windows = folder, windows

    def __iter__(self) -> Iterator[Clip]:
        worker = torch.utils.data.get_worker_info()
        mine = self.windows[worker.id :: worker.num_workers]
        for window, sample in zip(mine, endless(self.folder), strict=False):
            yield codec.decode(sample, window.start, window.start + window.length)


def webdataset_loader(folder: Path, windows: list[Window], workers: int) -> Iterable:
    """As many windows by way of webdataset."""
    return DataLoader(
        _Decoded(folder, windows), batch_size=4, num_workers=workers, collate_fn=collate
    )


def litdata_folder(dataset: ShardDataset, folder: Path) -> Path | None:
    """The same samples as LitData stores them, if it is installed."""
    if importlib.util.find_spec("litdata") is None:
        return None
    from litdata.streaming.writer import BinaryWriter

    out = folder / "litdata"
    out.mkdir()
    store = BinaryWriter(str(out), chunk_bytes="64MB")
    for i in range(len(dataset)):
        store[i] = dataset.parts(i)
    store.done()
    store.merge()
    return out


def open_litdata(folder: Path):
    """LitData's own reader."""
    from litdata import StreamingDataset

    return StreamingDataset(str(folder))


class _Stored(torch.utils.data.Dataset):
    """Windows by index from LitData's reader."""

    def __init__(self, folder: Path, windows: list[Window]):
        self.stored, self.windows = open_litdata(folder), windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, n: int) -> Clip:
        window = self.windows[n]
        stop = window.start + window.length
        return codec.decode(self.stored[window.index], window.start, stop)


def litdata_loader(folder: Path, windows: list[Window], workers: int) -> Iterable:
    """The same windows by way of LitData."""
    return DataLoader(
        _Stored(folder, windows), batch_size=4, num_workers=workers, collate_fn=collate
    )


def take_turns(readers: dict[str, Reader], windows: list[Window]) -> dict[str, float]:
    """Reads per second of CPU time, every window read by all before the next.

    Each window begins with another reader, or one would always find the caches as the same other
    reader leaves them.
    """
    spent = dict.fromkeys(readers, 0.0)
    turns = list(readers.items())
    for _, read in turns:
        read(windows[0])
    for window in windows:
        for name, read in turns:
            start = time.process_time()
            read(window)
            spent[name] += time.process_time() - start
        turns.append(turns.pop(0))
    return {name: len(windows) / s for name, s in spent.items()}


def cpu_s() -> float:
    """CPU time of this process and of its workers that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def table(what: str, rates: dict[str, float]) -> None:
    """Print rates, and each as a share of the first."""
    print(f"\n{what}, per CPU second", flush=True)
    first = next(iter(rates.values()))
    for name, rate in rates.items():
        print(f"  {name:12} {rate:9.1f}   {rate / first:6.1%}")


if __name__ == "__main__":
    main()
