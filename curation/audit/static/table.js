"use strict";

/** The table of clips. Only the rows in sight are elements, and these are used again. */
class ClipTable {
  static HEIGHT = 36; // of a row, px; style.css has the same
  static SPARE = 8; // rows above and below those in sight
  // Of columns, px, by name or kind: a table of known widths is laid out without looking at its cells.
  static WIDTHS = { clip: 276, decide: 228, verdict: 96, split: 76, choice: 112, labels: 170,
    text: 330, number: 124 };
  static NARROW = 150; // the clip's column on a small screen

  #columns;
  #filters;
  #decisions;
  #rows = []; // numbers of the clips that are shown, in order
  #lines = []; // elements of the rows in sight
  #chosen = null; // number of the clip that the keys are about
  #view = relickit.element("div", { class: "rows scroll", tabindex: 0, role: "region",
    "aria-label": "Clips, a table" });
  #head = relickit.element("thead");
  #body = relickit.element("tbody");
  #above = relickit.element("tr", { class: "gap" });
  #below = relickit.element("tr", { class: "gap" });
  #widths = relickit.element("colgroup");
  #table = relickit.element("table", { class: "clips" }, this.#widths, this.#head,
    relickit.element("tbody", {}, this.#above), this.#body,
    relickit.element("tbody", {}, this.#below));

  constructor(columns, filters, decisions) {
    this.#columns = columns;
    this.#filters = filters;
    this.#decisions = decisions;
    this.#view.append(this.#table);
    this.#view.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.#view.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#draw()).observe(this.#view);
    filters.listen(() => this.show());
    decisions.listen(() => (filters.decided ? this.show() : this.#draw()));
  }

  get element() {
    return this.#view;
  }

  /** How many clips pass the filters. */
  get count() {
    return this.#rows.length;
  }

  /** Filter, sort and draw anew. */
  show() {
    this.#rows = this.#filters.rows();
    this.#heading();
    this.#lines.forEach((line) => line.element.remove());
    this.#lines = [];
    this.#view.scrollTop = 0;
    this.#draw();
  }

  /** The columns in sight, after the clip's name: the verdict, what was added, all else. */
  #shown() {
    const [first, ...others] = this.#columns.shown;
    const names = new Set([first, ...this.#filters.extra, ...others]);
    return [...names].map((name) => this.#columns.byName.get(name));
  }

  #heading() {
    const { element } = relickit;
    const { sort } = this.#filters;
    const head = (name, label, kind, about) => {
      const down = sort?.name === name ? sort.down : null;
      const mark = down === null ? "" : down ? "▼ " : "▲ ";
      const turn = () => this.#filters.update((filters) => {
        // Numbers and labels begin with the most.
        const first = kind === "number" || kind === "labels";
        filters.sort = down === null ? { name, down: first }
          : down === first ? { name, down: !first } : null;
      });
      return element("th", { scope: "col", class: `col-${kind} col-${name}`, title: about || null,
        "aria-sort": down === null ? null : down ? "descending" : "ascending" },
      element("button", { type: "button", onclick: turn }, mark + label));
    };
    const shown = this.#shown();
    this.#head.replaceChildren(element("tr", {},
      head("clip", "Clip", "text", ""),
      element("th", { scope: "col", class: "col-decide" }, "Your decision"),
      shown.map((column) => head(column.name, this.#columns.heading(column), column.kind,
        column.about))));
    this.#measure(shown);
  }

  #measure(shown) {
    const { WIDTHS, NARROW } = ClipTable;
    const widths = [innerWidth > 820 ? WIDTHS.clip : NARROW, WIDTHS.decide,
      ...shown.map((column) => WIDTHS[column.name] ?? WIDTHS[column.kind])];
    this.#widths.replaceChildren(...widths.map((width) =>
      relickit.element("col", { style: `width: ${width}px` })));
    this.#table.style.width = `${widths.reduce((sum, width) => sum + width)}px`;
  }

  #draw() {
    const height = ClipTable.HEIGHT;
    const tall = Math.ceil(this.#view.clientHeight / height) + 2 * ClipTable.SPARE;
    const most = Math.max(this.#rows.length - tall, 0);
    const first = Math.min(most,
      Math.max(Math.floor(this.#view.scrollTop / height) - ClipTable.SPARE, 0));
    const wanted = Math.min(tall, this.#rows.length);
    while (this.#lines.length > wanted) this.#lines.pop().element.remove();
    while (this.#lines.length < wanted) {
      const line = new ClipLine(this.#columns, this.#shown(), this.#filters, this.#decisions,
        (row) => this.#choose(row));
      this.#lines.push(line);
      this.#body.append(line.element);
    }
    this.#above.style.height = `${first * height}px`;
    this.#below.style.height = `${(this.#rows.length - first - wanted) * height}px`;
    this.#lines.forEach((line, place) => {
      const row = this.#rows[first + place];
      line.show(row, first + place, row === this.#chosen);
    });
  }

  #choose(row) {
    this.#chosen = row;
    this.#draw();
  }

  #key(event) {
    if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const place = this.#rows.indexOf(this.#chosen);
    const row = this.#rows[place];
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) {
      const next = Math.min(Math.max(place + steps[event.key], 0), this.#rows.length - 1);
      this.#reveal(next);
      this.#choose(this.#rows[next]);
    } else if (row === undefined) {
      return;
    } else if (event.key === "k" || event.key === "r") {
      this.#decisions.toggle(this.#columns.clips[row], event.key === "k");
    } else if (event.key === "Enter" && event.target === this.#view && this.#columns.pages[row]) {
      location.href = this.#columns.address(row, this.#filters);
    } else {
      return;
    }
    event.preventDefault();
  }

  #reveal(place) {
    const top = place * ClipTable.HEIGHT;
    const room = this.#view.clientHeight - 2 * ClipTable.HEIGHT; // below the heading
    if (top < this.#view.scrollTop) this.#view.scrollTop = top;
    else if (top > this.#view.scrollTop + room) this.#view.scrollTop = top - room;
  }
}

/** A row in sight; `show` makes it that of another clip. */
class ClipLine {
  #columns;
  #shown;
  #filters;
  #name = relickit.element("a");
  #control;
  #cells;
  #row = null;

  constructor(columns, shown, filters, decisions, choose) {
    const { element } = relickit;
    this.#columns = columns;
    this.#shown = shown;
    this.#filters = filters;
    this.#control = decisions.switches();
    this.#cells = shown.map((column) => element("td", { class: `col-${column.kind} col-${column.name}` }));
    this.element = element("tr", { onclick: () => choose(this.#row) },
      element("th", { scope: "row", class: "col-text col-clip" }, this.#name),
      element("td", { class: "col-decide" }, this.#control.element), this.#cells);
  }

  show(row, place, chosen) {
    const columns = this.#columns;
    this.#control.show(columns.clips[row]);
    this.element.classList.toggle("chosen", chosen);
    if (row === this.#row) return;
    this.#row = row;
    this.element.setAttribute("aria-rowindex", place + 2);
    this.#name.textContent = columns.clips[row];
    this.#name.title = columns.clips[row];
    if (columns.pages[row]) this.#name.href = columns.address(row, this.#filters);
    else this.#name.removeAttribute("href");
    this.#shown.forEach((column, k) => {
      const cell = this.#cells[k];
      const text = columns.text(column, row);
      const side = column.kind === "number" ? columns.side(column, row) : "";
      cell.textContent = side ? `${text} ${side === "above" ? "↑" : "↓"}` : text;
      cell.title = side ? `${side} the bound` : text;
      cell.classList.toggle("out", Boolean(side));
      if (column.name === "verdict") {
        cell.classList.toggle("good", column.choices[column.values[row]].match(/^(kept|no )/) !== null);
      }
    });
  }
}
