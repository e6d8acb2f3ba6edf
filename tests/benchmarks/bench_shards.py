"""What the shard reader costs beside bare decoding and plain webdataset iteration.

    python tests/benchmarks/bench_shards.py [--width 832 --height 480 --clips 8 --length 33]

Makes a dataset of noisy pictures in a temporary folder. One process, one thread, warm page cache;
rates are per second of CPU time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))

from box_room import BOX_NAMES, box_plan, box_scene

from capture import video
from capture.camera import Intrinsics
from capture.episode import EpisodeWriter
from capture.scene import Plan
from shards import codec, jobs, manifest, writer
from shards.order import GlobalOrder, window_start
from shards.reader import ShardDataset

NUM_FRAMES = 81
FPS = 16.0


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 832), ("height", 480), ("clips", 8), ("length", 33)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--windows", type=int, default=40)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder), args.width, args.height, args.clips)
        planned = jobs.plan(dataset)
        start = time.process_time()
        for job in planned:
            writer.write(job, dataset)
        manifest.publish(dataset, planned)
        took = time.process_time() - start
        size = sum(tar.stat().st_size for tar in (dataset / "shards").glob("*.tar"))
        print(
            f"{args.clips} clips of {NUM_FRAMES} x {args.height}x{args.width}, {size / 1e6:.1f} MB"
        )
        print(f"plan, cut, write, verify, publish   {args.clips / took:8.1f} clips/s")
        measure_reading(ShardDataset(dataset, "train"), args.windows, args.length)
        measure_webdataset(dataset, args.length)


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


def measure_reading(dataset: ShardDataset, num_windows: int, length: int) -> None:
    """The reader's windows against bare decoding of the same windows from memory."""
    order = GlobalOrder(len(dataset), 0)
    places = [(order.row(k), window_start(0, k, NUM_FRAMES, length)) for k in range(num_windows)]
    films = [dataset.part(i, "rgb.mp4") for i in range(len(dataset))]
    bare = per_second(lambda i, first: video.read_rgb(films[i], first, first + length), places)
    ours = per_second(lambda i, first: dataset.window(i, first, length), places)
    parts = per_second(lambda i, _: [dataset.part(i, name) for name in codec.PARTS], places)
    print(f"decode alone, {length} frames           {bare:8.1f} windows/s")
    print(f"reader: crc32, decode, poses        {ours:8.1f} windows/s   {ours / bare:.1%} of that")
    print(f"reader: bytes and crc32 alone       {parts:8.1f} samples/s")


def measure_webdataset(dataset: Path, length: int) -> None:
    """A pass of plain webdataset, with the same decoding of each sample's first frames."""
    import webdataset

    urls = sorted(str(tar) for tar in (dataset / "shards").glob("train-*.tar"))
    for name, use in (
        ("webdataset: bytes alone    ", lambda sample: None),
        ("webdataset: same decoding  ", lambda sample: codec.decode(sample, 0, length)),
    ):
        start, count = time.process_time(), 0
        for sample in webdataset.WebDataset(urls, shardshuffle=False):
            use(sample)
            count += 1
        print(f"{name}         {count / (time.process_time() - start):8.1f} samples/s")


def per_second(read: Callable[[int, int], object], places: list[tuple[int, int]]) -> float:
    """Calls per second of CPU time, best of three passes."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for place in places:
            read(*place)
        best = min(best, time.process_time() - start)
    return len(places) / best


if __name__ == "__main__":
    main()
