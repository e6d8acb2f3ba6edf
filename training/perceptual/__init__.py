"""LPIPS, and the weights of its linear layers (5 KB, BSD licence: see LICENSE beside them)."""
