"""One run on many processes: whole copies, sharded weights, videos whose tokens are shared."""

from training.parallel.config import ParallelConfig
from training.parallel.world import World

__all__ = ["ParallelConfig", "World"]
