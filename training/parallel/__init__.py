"""One run on many processes: whole copies, sharded weights, videos whose tokens are shared."""
