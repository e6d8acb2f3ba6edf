"""Pages of the report, one a trajectory: data/pages/<...>.js, shown by clip.html when it is opened.

What a page is told (times and frames count from 0; a share is in percent):

    kind         "episode" (ours, with clips and rules) or "audit" (of anybody's dataset)
    id, title    of the trajectory; facts: [label, text] about it; notes: sentences
    time         unit ("s" or "frame"); count: of frames; frames: which ones are shown (all, or
                 every few); at: when they are
    path         unit; position, forward and up of the camera at the frames shown, [3 n], z up;
                 view: half the width and height of the picture at distance 1; ground: z of the map
    curves       name, group, label, unit, about, bounds [[value, "at least" or "at most", rule]],
                 values at the frames shown, or at the numbers in `at`; reach: frames that one
                 value speaks of
    actions      names, units, meaning, values [action][frame shown]
    spans        frames [start, stop) that break a rule: rule, worst, clip (-1: no clip), text,
                 whole (said of the clip as a whole)
    clips        id, start, stop, keep, reasons, caption, split, weight, values by rule
    rules        name, about, unit, at_least, at_most, required, curve
    problems     rule and text of each, decide: what decisions call the clip (audit)
    pictures     sheet: picture, frames, columns, tile_px; pairs: picture, now, then, kind, parts,
                 part_px, error (levels), seen (%); ground: picture, edges; note
    video        address of the video beside the report, or null
"""

from __future__ import annotations

from curation.audit.trajectory.episode import write_episode
from curation.audit.trajectory.outside import write_item

__all__ = ["write_episode", "write_item"]
