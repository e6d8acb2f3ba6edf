"""The embedded engine: a server that speaks UnrealCV and really renders."""
