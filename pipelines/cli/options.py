"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import tyro

Address = Annotated[
    str | None, tyro.conf.arg(help="address of a Ray cluster; none starts one here")
]
Engine = Annotated[
    str,
    tyro.conf.arg(
        help="embedded[:N], HOST:PORT, unix:PATH or unreal:[N:]/path/to/Binary.sh", metavar="ENGINE"
    ),
]
