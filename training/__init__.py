"""The video model, its conditioning and its training stages."""
