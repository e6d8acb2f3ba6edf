"""The report as a folder that opens offline from file://, and what its pages agree on.

    index.html                what is known of the whole dataset; the table of clips
    clip.html                 one trajectory with its clips: clip.html#<page key>/...
    static/                   style.css and the scripts, copied from here
    data/about.js             which report this is, and what people decided so far
    data/table.js             the columns of the table that are always shown
    data/columns/<name>.js    the others, each when somebody asks for it
    data/pages/<first two digits of the key>/<page key>.js    one trajectory, when it is opened
    pictures/                 by the hash of their content
    made_of.json              hash of what the pages of trajectories were made of (`pipelines`)

A browser does not let a page from file:// fetch anything, but it runs scripts. So data is a script
of one call, `relickit.put(name, content)`, and `relickit.load(name)` (static/report.js) adds the
script to the page and gives a promise of the content. The name is the path below data/, without
`.js`.

Both pages load style.css, report.js and decisions.js, then their own script. What comes from a
dataset reaches a page as text, never as HTML: `relickit.element(tag, attributes, ...children)`
makes elements, and no script sets innerHTML. The pages forbid inline scripts besides.

`new Decisions(await relickit.load("about"))` (static/decisions.js) is what people decide, kept by
the browser: `control(clip id)` is an element with the buttons Keep and Reject and the note, `bar()`
one with the download of decisions.jsonl. data/about.js is

    {report: hash, dataset: name, kind: "episodes" or "audit", decisions: [[clip id, keep, note]]}

The table links to `clip.html#<page key>/<clip id, as a URL component>/<filters of the table>`; from
there one goes on to the next trajectory as the table shows them, and back to the table as it was.
The same dataset gives the same bytes: nothing holds a time or a place on the disk.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from capture import files

_STATIC = Path(__file__).parent / "static"
# Beside index.html; all else goes to static/.
_PAGES = (".html",)
_ADDRESS = re.compile(rb"pictures/[0-9a-f]{16}\.[a-z]+")
_ESCAPES = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&"}


def page_key(place: str) -> str:
    """The name of a trajectory's page, hex [16]: whatever the place is called, a file name.

    Args:
        place: The plan's id, or of somebody else's dataset the item's number and place.
    """
    return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def page_name(key: str) -> str:
    """Name of the data of a trajectory's page, for `write_data` and `relickit.load`."""
    return f"pages/{key[:2]}/{key}"


def write_data(out: Path, name: str, content: object) -> Path:
    """Write data that a page can load: data/<name>.js.

    Args:
        out: The report's folder.
        name: Of the data, with slashes; `relickit.load(name)` gives the content.
        content: Of objects, lists, text, numbers (NaN and infinity become null) and None.

    Returns:
        The script.
    """
    text = json.dumps(_plain(content), separators=(",", ":"), allow_nan=False)
    target = out / "data" / f"{name}.js"
    with files.replacing(target) as temporary:
        call = f"relickit.put({json.dumps(name)},{text});\n"
        temporary.write_text(call.translate(_ESCAPES), encoding="ascii")
    return target


def write_picture(out: Path, content: bytes, suffix: str = ".jpg") -> str:
    """Keep a picture under the hash of its content; returns its address on a page."""
    address = f"pictures/{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
    if not (out / address).is_file():
        with files.replacing(out / address) as temporary:
            temporary.write_bytes(content)
    return address


def write_static(out: Path) -> None:
    """Copy the pages, the style and the scripts that are the same in every report."""
    for source in sorted(_STATIC.iterdir()):
        target = out / source.name if source.suffix in _PAGES else out / "static" / source.name
        content = source.read_bytes()
        if not target.is_file() or target.read_bytes() != content:
            with files.replacing(target) as temporary:
                temporary.write_bytes(content)


def forget_pages(out: Path, keys: Iterable[str]) -> None:
    """Remove the pages of trajectories that are no longer there.

    Args:
        out: The report's folder.
        keys: Of the pages that stay.
    """
    wanted = {out / "data" / f"{page_name(key)}.js" for key in keys}
    for page in (out / "data" / "pages").glob("*/*.js"):
        if page not in wanted:
            page.unlink()


def forget_pictures(out: Path) -> None:
    """Remove the pictures that no page shows any more, once all pages are written.

    Args:
        out: The report's folder.
    """
    files.sweep(out / "pictures")
    unused = {f"pictures/{one.name}".encode(): one for one in (out / "pictures").glob("*.*")}
    for text in (*out.glob("*.html"), *(out / "data").rglob("*.js")):
        if not unused:
            break
        for address in _ADDRESS.findall(text.read_bytes()):
            unused.pop(address, None)
    for address, picture in unused.items():
        if _ADDRESS.fullmatch(address):
            picture.unlink(missing_ok=True)


def _plain(content: object) -> object:
    """JSON has no NaN and no infinity: both are unknown to a page."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_plain(value) for value in content]
    return content
