"""A fleet of engines: one Ray actor owns one engine, the driver hands out plans."""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from capture import files, launcher
from capture.client import EngineLost
from capture.episode import is_finished
from capture.launcher import Engine, EngineSpec
from capture.recorder import record
from capture.scene import Plan, Scene
from capture.session import Session, prepare
from curation.exposure import FrameObserver
from pipelines import runner
from pipelines.console import Bar, bar, is_disk_full, sentence
from pipelines.runner import StageFailed

_ATTEMPTS = 3
_WAIT_S = 1.0
# An engine that adds no frame within this time is replaced: it includes the start, the compilation
# of the renderer, and the frames that are taken again.
PATIENCE_S = 900.0
# An engine's threads are its own affair; on a cluster the nodes take turns. The actor has two
# threads: one records, the other says how far it is.
_ACTOR: dict[str, Any] = {
    "num_cpus": 0,
    "max_restarts": 0,
    "max_concurrency": 2,
    "scheduling_strategy": "SPREAD",
}


class EngineUnusable(RuntimeError):
    """The engine itself, not a plan, is the problem: trying again would not help."""


class AttemptFailed(RuntimeError):
    """A plan could not be recorded; it may be tried again on a new engine.

    Args:
        reason: In one sentence.
        log: The last lines that the engine printed.
    """

    def __init__(self, reason: str, log: list[str]):
        super().__init__(reason, log)
        self.reason, self.log = reason, log

    def __str__(self) -> str:
        return self.reason


class EngineOwner:
    """Owns one engine, shows the wanted scene on it, and records plans. Runs as a Ray actor.

    Attributes:
        timeout_s: An engine that takes longer over one answer is taken to be lost.
    """

    timeout_s = 60.0

    def __init__(self, spec: EngineSpec, threads: int, index: int):
        self._spec, self._threads, self._index = spec, threads, index
        self._engine: Engine | None = None
        self._session: Session | None = None
        self._plan_id, self._num_frames = "", 0

    def frames_done(self, plan_id: str) -> int:
        """Frames of a plan that are recorded by now; answered while `record` is at work."""
        return self._num_frames if plan_id == self._plan_id else 0

    def record(self, plan: Plan, scene: Scene, root: str) -> int:
        """Record a plan and return its number of frames; after an error the engine is replaced.

        Raises:
            EngineUnusable: If no other try could help.
            OSError: If the disk is full.
            AttemptFailed: For every other reason.
        """
        self._plan_id, self._num_frames = plan.id, 0
        try:
            if self._session is None or self._session.scene.id != scene.id:
                self._show(scene)
            assert self._session is not None
            episode = record(
                self._session,
                plan,
                Path(root),
                observers=[FrameObserver],
                on_frame=self._count,
            )
            return len(episode)
        except Exception as error:
            log = self._engine.last_lines() if self._engine else []
            self._close()
            if isinstance(error, EngineUnusable) or is_disk_full(error):
                raise
            raise AttemptFailed(sentence(error), log) from error

    def _count(self, num_frames: int) -> None:
        self._num_frames = num_frames

    def _show(self, scene: Scene) -> None:
        self._close()
        if self._spec.kind == "embedded":
            self._engine = launcher.start_embedded(
                scene.file or scene.name, scene.seed, threads=self._threads
            )
        else:
            self._engine = launcher.open_engine(self._spec, index=self._index)
        connect = functools.partial(self._engine.connect, self.timeout_s)
        try:
            client = connect()
        except EngineLost as error:
            if self._spec.kind == "address":
                raise EngineUnusable(str(error)) from error
            raise
        self._session = prepare(client, connect=connect)
        if self._session.scene.id != scene.id:
            shown = self._session.scene.id
            self._close()
            raise EngineUnusable(
                f"the engine shows {shown}, but the plans are for {scene.id}; load that level, "
                "or plan on this engine"
            )
        self._session.scene = scene

    def _close(self) -> None:
        if self._session is not None:
            self._session.client.close()
        if self._engine is not None:
            self._engine.close()
        self._session = self._engine = None


@dataclass
class _Job:
    """A plan on its way to becoming an episode."""

    plan: Plan
    failures: list[AttemptFailed] = field(default_factory=list)


@dataclass
class _Busy:
    """An actor at work.

    Attributes:
        actor: Whose work it is.
        job: What it records.
        deadline: When it is taken to be stuck, unless it adds a frame before.
        num_frames: Frames that it had recorded when it last said so.
        asked: What it has been asked and not answered yet.
    """

    actor: Any
    job: _Job
    deadline: float
    num_frames: int = 0
    asked: Any = None


def capture(
    plans: list[Plan],
    scenes: dict[str, Scene],
    *,
    root: Path,
    failed: Path,
    spec: EngineSpec,
    title: str = "Capture",
) -> int:
    """Record every plan that has no whole episode yet; returns the number of frames recorded.

    A plan that fails three times is put aside: the reasons, and what its engines said last, go to
    `failed/<plan id>.json`. The next run tries it again.

    Args:
        plans: What to record.
        scenes: By `Scene.id`.
        root: The dataset's `episodes` folder.
        failed: Folder for the reasons.
        spec: Which engines to use; its count is the size of the fleet.
        title: Of the progress bar.

    Raises:
        StageFailed: If plans were given up, all others being finished; or, at once, if the disk is
            full, no engine answers at an address, or it shows another scene.
    """
    todo = [_Job(p) for p in plans if not is_finished(root / p.id)]
    root.mkdir(parents=True, exist_ok=True)
    files.sweep(root)
    for plan in plans:
        (failed / f"{plan.id}.json").unlink(missing_ok=True)
    total = sum(len(p.trajectory) for p in plans)
    already = total - sum(len(job.plan.trajectory) for job in todo)
    if not todo:
        return 0
    with runner.cluster(), bar(title, total, "frames") as progress:
        fleet = _Fleet(todo, scenes, root=root, spec=spec, progress=progress, done=already)
        given_up = fleet.run()
    for job in given_up:
        attempts = [{"reason": a.reason, "engine_log": a.log} for a in job.failures]
        files.write_json(failed / f"{job.plan.id}.json", {"attempts": attempts})
    if given_up:
        raise StageFailed(
            f"{len(given_up)} of {len(plans)} plans could not be captured "
            f"(see {failed}); the first said: {given_up[0].failures[-1]}"
        )
    return total - already


class _Fleet:
    """The driver's side: who does what, and what became of it."""

    def __init__(
        self,
        jobs: list[_Job],
        scenes: dict[str, Scene],
        *,
        root: Path,
        spec: EngineSpec,
        progress: Bar,
        done: int,
    ):
        self._queues: dict[str, list[_Job]] = {}
        for job in reversed(jobs):
            self._queues.setdefault(job.plan.scene_id, []).append(job)
        self._scenes, self._root, self._spec = scenes, root, spec
        self._progress, self._done = progress, done
        self._actors: list[Any] = []
        self._idle: list[tuple[Any, str]] = []  # an actor and the scene that it shows
        self._busy: dict[Any, _Busy] = {}
        self._given_up: list[_Job] = []
        self._numbers = itertools.count()

    def run(self) -> list[_Job]:
        """Work until every job is done or given up; returns those given up."""
        count = min(self._spec.count, sum(map(len, self._queues.values())))
        self._idle = [(self._new_actor(), "") for _ in range(count)]
        self._note("starting engines (the first start on a machine compiles the renderer)")
        try:
            while any(self._queues.values()) or self._busy:
                self._hand_out()
                finished, _ = ray.wait(list(self._busy), timeout=_WAIT_S)
                for reference in finished:
                    self._settle(reference)
                self._ask_how_far()
                self._take_from_the_stuck()
                self._note()
        finally:
            for actor in self._actors:
                ray.kill(actor)  # an engine ends with its owner
        return self._given_up

    def _note(self, text: str = "") -> None:
        done = self._done + sum(busy.num_frames for busy in self._busy.values())
        waiting = "" if text or done else "engines are starting"
        self._progress.update(done, text or waiting)

    def _new_actor(self) -> Any:
        cores = int(ray.cluster_resources().get("CPU", 1))
        threads = max(cores // self._spec.count, 1)
        owner = ray.remote(**_ACTOR)(EngineOwner)
        actor = owner.remote(self._spec, threads, next(self._numbers))
        self._actors.append(actor)
        return actor

    def _hand_out(self) -> None:
        while self._idle and any(self._queues.values()):
            actor, shown = self._idle.pop()
            job = (self._queues.get(shown) or self._fullest_queue()).pop()
            reference = actor.record.remote(
                job.plan, self._scenes[job.plan.scene_id], str(self._root)
            )
            self._busy[reference] = _Busy(actor, job, time.monotonic() + PATIENCE_S)

    def _fullest_queue(self) -> list[_Job]:
        """The scene with the most plans per engine, counting one more: changing scenes is slow."""
        shown = Counter(busy.job.plan.scene_id for busy in self._busy.values())
        scene = max(self._queues, key=lambda s: len(self._queues[s]) / (1 + shown[s]))
        return self._queues[scene]

    def _settle(self, reference: Any) -> None:
        busy = self._busy.pop(reference)
        try:
            self._done += int(ray.get(reference))  # pyright: ignore[reportArgumentType]
            self._idle.append((busy.actor, busy.job.plan.scene_id))
        except RayError as error:
            cause = error.cause if isinstance(error, RayTaskError) else None
            if isinstance(cause, EngineUnusable) or is_disk_full(cause):
                raise StageFailed(runner.reason(error)) from error
            if isinstance(cause, AttemptFailed):
                self._idle.append((busy.actor, ""))  # it has closed its engine already
                self._count_failure(busy.job, cause)
            else:
                self._replace(busy.actor)
                self._count_failure(busy.job, AttemptFailed(runner.reason(error), []))

    def _ask_how_far(self) -> None:
        """Ask every busy actor for its frames; the answer is there in one of the next rounds."""
        for busy in self._busy.values():
            if busy.asked is not None:
                answered, _ = ray.wait([busy.asked], timeout=0)
                if not answered:
                    continue
                with contextlib.suppress(RayError):  # that it is lost is found out elsewhere
                    num_frames = int(ray.get(busy.asked))
                    if num_frames != busy.num_frames:
                        busy.num_frames = num_frames
                        busy.deadline = time.monotonic() + PATIENCE_S
            busy.asked = busy.actor.frames_done.remote(busy.job.plan.id)

    def _take_from_the_stuck(self) -> None:
        for reference, busy in list(self._busy.items()):
            if time.monotonic() > busy.deadline:
                del self._busy[reference]
                self._replace(busy.actor)
                stuck = AttemptFailed("the engine made no progress and was replaced", [])
                self._count_failure(busy.job, stuck)

    def _replace(self, actor: Any) -> None:
        ray.kill(actor)
        self._actors.remove(actor)
        self._idle.append((self._new_actor(), ""))

    def _count_failure(self, job: _Job, why: AttemptFailed) -> None:
        job.failures.append(why)
        if len(job.failures) < _ATTEMPTS:
            self._queues[job.plan.scene_id].append(job)
        else:
            self._given_up.append(job)
