"""The video transformer, its attention and its conditioning."""
