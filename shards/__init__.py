"""Clips out to WebDataset shards and back in: exact, verified, resumable."""
