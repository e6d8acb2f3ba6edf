"""From a scene and a camera path to an episode on disk."""
