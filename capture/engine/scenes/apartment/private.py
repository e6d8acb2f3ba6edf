"""What stands in the bedroom, the child's room and the bathroom (see `apartment`)."""

from __future__ import annotations

from capture.engine.scenes.apartment.furnishing import piece
from capture.engine.scenes.parts.decor import (
    ball,
    basket,
    books,
    bottle,
    bunting,
    ceiling_light,
    mug,
    table_lamp,
    teddy,
    toy_blocks,
)
from capture.engine.scenes.parts.fixtures import bathtub, toilet, towel, washstand
from capture.engine.scenes.parts.furniture import (
    FROM_X0,
    FROM_X1,
    FROM_Y0,
    FROM_Y1,
    armchair,
    bed,
    cabinet,
    curtain,
    picture,
    round_rug,
    rug,
    shelf,
    stool,
    table,
)
from capture.engine.scenes.parts.houseplants import plant

_BEDSIDE = (0.75, 0.48, 0.25)

# fmt: off
BEDROOM = (
    piece(rug, (10.1, 7.95), 90, "rugs 3", size=(2.2, 1.9)),
    piece(bed, (8.32, 7.95), FROM_X0, "oak", "linen", "cloths 7", "linen"),
    piece(cabinet, (8.32, 6.92), FROM_X0, "oak", "oak", "brass", size=(0.4, 0.36, 0.5),
          doors=1, rows=2, kind="nightstand", on=(
        piece(table_lamp, (0.02, 0.18, 0.5), 0, "shade", "ceramics 0", light=_BEDSIDE),
    )),
    piece(cabinet, (8.32, 8.97), FROM_X0, "oak", "oak", "brass", size=(0.4, 0.36, 0.5),
          doors=1, rows=2, kind="nightstand", on=(
        piece(table_lamp, (0.02, 0.18, 0.5), 0, "shade", "ceramics 1", light=_BEDSIDE),
    )),
    piece(cabinet, (11.72, 6.2), FROM_Y0, "lacquer 0", "lacquer 2", "brass", size=(1.6, 0.58, 2.2),
          doors=3, kind="wardrobe"),
    piece(picture, (8.32, 7.95, 1.75), FROM_X0, "pictures 15", "oak", size=(1.2, 0.7)),
    piece(armchair, (12.0, 8.85), 135, "cloths 6", "walnut"),
    piece(plant, (10.85, 8.66), 0, "ceramics 4", "soil", "leaves 0", kind="palm", size=0.75),
    piece(curtain, (10.5, 9.2), FROM_Y1, "curtains 2", "brass", width=1.8, height=2.48, seed=6),
    piece(curtain, (12.6, 7.75), FROM_X1, "curtains 2", "brass", width=1.3, height=2.48, seed=7),
)
CHILDS_ROOM = (
    piece(bed, (9.33, 0.02), FROM_Y0, "birch", "linen", "throws 0", "cloths 3",
          width=0.9, label="child's bed"),
    piece(round_rug, (7.75, 2.1), 0, "round_rug", radius=0.95),
    piece(toy_blocks, (7.5, 2.3, 0.014), 0, "toys"),
    piece(ball, (8.35, 2.75, 0.012), 0, "toys 0"),
    piece(teddy, (9.3, 0.75, 0.52), 0, "fur", "black"),
    piece(shelf, (9.9, 3.35), FROM_X1, "birch", size=(1.3, 0.32, 0.95),
          levels=2, label="toy shelf", on=(
        piece(books, (-0.6, 0.04, 0.084), 0, "toys", "paper", width=0.5, depth=0.24),
        piece(basket, (0.3, 0.17, 0.084), 0, "wicker", radius=0.12, height=0.2),
        piece(books, (-0.1, 0.04, 0.517), 0, "covers", "paper", width=0.65, depth=0.24),
        piece(ball, (-0.4, 0.16, 0.517), 0, "toys 1", radius=0.09),
        piece(teddy, (0.35, 0.15, 0.95), 0, "linen", "black"),
        piece(table_lamp, (-0.45, 0.16, 0.95), 0, "shade", "toys 2"),
    )),
    piece(table, (6.62, 1.1), FROM_X0, "birch", "toys 3", size=(0.95, 0.55, 0.56),
          kind="play_table", on=(
        piece(toy_blocks, (0.1, 0.0, 0.56), 0, "toys", count=5, spread=0.1),
    )),
    piece(stool, (7.15, 1.15), 0, "toys 2", "birch", height=0.36),
    piece(picture, (6.32, 0.75, 1.45), FROM_X0, "pictures 16", "toys 0", size=(0.5, 0.6)),
    piece(picture, (6.32, 1.5, 1.45), FROM_X0, "pictures 17", "toys 1", size=(0.5, 0.6)),
    piece(picture, (9.9, 1.4, 1.5), FROM_X1, "pictures 1", "toys 3", size=(0.8, 0.6)),
    piece(cabinet, (6.32, 3.1), FROM_X0, "birch", "lacquer 0", "toys 1", size=(1.0, 0.45, 0.85),
          doors=2, rows=2, kind="drawers", label="chest of drawers"),
    piece(plant, (6.55, 3.3, 0.85), 0, "toys 2", "soil", "leaves 2", kind="leafy", size=0.3),
    piece(bunting, (6.55, 4.55, 2.52), 0, "toys", length=2.9),
    piece(curtain, (7.7, 0), FROM_Y0, "curtains 1", "birch", width=1.6, height=2.48, seed=8),
)
BATHROOM = (
    piece(bathtub, (12.6, 1.25), FROM_X1, "enamel", "steel"),
    piece(toilet, (10.02, 1.3), FROM_X0, "enamel"),
    piece(washstand, (10.02, 2.6), FROM_X0, "walnut", "oak", "marble", "brass", on=(
        piece(bottle, (0.34, 0.12, 0.81), 0, "ceramics 3", height=0.18, radius=0.03),
        piece(mug, (-0.36, 0.12, 0.81), 0, "ceramics 1"),
    )),
    piece(picture, (10.02, 2.6, 1.6), FROM_X0, "mirror", "brass", size=(0.8, 0.75), label="mirror"),
    piece(towel, (12.6, 2.75, 1.35), FROM_X1, "cloths 6", "brass"),
    piece(towel, (12.6, 3.45, 1.35), FROM_X1, "linen", "brass", length=0.6),
    piece(rug, (11.35, 1.3), 90, "throws 1", size=(0.95, 0.6), label="bath mat"),
    piece(basket, (12.25, 4.2), 0, "wicker", radius=0.23, height=0.5),
    piece(plant, (12.22, 2.38), 0, "ceramics 2", "soil", "leaves 1", kind="palm", size=0.52),
    piece(ceiling_light, (11.3, 2.6, 2.7), 0, "shade", radius=0.16, light=(0.9, 0.72, 0.52)),
    piece(picture, (10.02, 3.75, 1.6), FROM_X0, "pictures 2", "oak", "paper", size=(0.4, 0.5)),
)
# fmt: on
