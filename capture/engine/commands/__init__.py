"""The commands of UnrealCV, one module per family of resources."""

from __future__ import annotations

from capture.engine.commands import actions, cameras, objects, pictures, plugin
from capture.engine.commands.grammar import CommandError, Dispatcher, Route, Routes

__all__ = ["CommandError", "Dispatcher", "Route", "Routes", "dispatcher"]


def dispatcher() -> Dispatcher:
    """All commands of the embedded engine."""
    routes = [
        route for family in (objects, actions, cameras, pictures) for route in family.routes.items
    ]
    return Dispatcher([*routes, *plugin.routes(routes).items])
