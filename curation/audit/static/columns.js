"use strict";

/** The columns of the table of clips (data/table.js): their values, as text and in order. */
class Columns {
  /** @param table {clips, pages, columns: [{name, label, kind, unit, about, choices, values}]} */
  constructor(table) {
    this.clips = table.clips;
    this.pages = table.pages;
    this.all = table.columns;
    this.byName = new Map(this.all.map((column) => [column.name, column]));
    this.shown = this.all.filter((column) => column.values).map((column) => column.name);
  }

  /** A promise that the values of a column are there. */
  async load(name) {
    const column = this.byName.get(name);
    if (!column) throw new Error(`there is no column ${name}`);
    column.values ??= await relickit.load(`columns/${name}`);
    return column;
  }

  /** Address of the page about a clip; it knows the way back to the table as it is filtered. */
  address(row, filters) {
    // A name that is no text (bytes that are no UTF-8) cannot be part of an address.
    const clip = this.clips[row].isWellFormed?.() === false ? "" : this.clips[row];
    const shown = filters.address;
    return `clip.html#${this.pages[row]}/${encodeURIComponent(clip)}${shown ? `/${shown}` : ""}`;
  }

  /** What a cell says. */
  text(column, row) {
    const value = column.values[row];
    if (column.kind === "number") return relickit.number(value);
    if (column.kind === "choice") return column.choices[value];
    if (column.kind === "labels") return value.map((code) => column.choices[code]).join(", ");
    return value ?? "";
  }

  /** "below" or "above" where a number is outside its bounds, else "". */
  side(column, row) {
    const value = column.values[row];
    if (!column.bounds || value === null) return "";
    const [low, high] = column.bounds;
    if (low !== null && value < low) return "below";
    return high !== null && value > high ? "above" : "";
  }

  /** A comparison of two rows by a column; what is unknown or empty comes last. */
  order(column, down) {
    const { values, kind } = column;
    const sign = down ? -1 : 1;
    const key = kind === "labels" ? (row) => values[row].length || null
      : kind === "text" ? (row) => values[row] || null : (row) => values[row];
    return (a, b) => {
      const one = key(a), other = key(b);
      if (one === null || other === null) return (one === null) - (other === null);
      return one < other ? -sign : one > other ? sign : 0;
    };
  }

  /** Heading with the unit. */
  heading(column) {
    return column.unit ? `${column.label}, ${column.unit}` : column.label;
  }
}
