"""From episodes to clips: measure, decide, caption, split, report."""
