"use strict";

/**
 * Which clips are shown, in which order and with which columns. As text
 * (is.scene=...&min.speed_max_m_s=3&sort=-seconds) it is kept by addresses, so that links, the way
 * back and the way from one trajectory to the next work.
 */
class Filters {
  text = "";
  is = new Map(); // column -> choice or label
  range = new Map(); // column -> [low or null, high or null]
  sort = null; // {name, down}
  extra = []; // columns beyond those that are always shown
  decided = false; // only what somebody decided in this browser
  #columns;
  #decisions;
  #listeners = [];

  constructor(columns, decisions) {
    this.#columns = columns;
    this.#decisions = decisions;
  }

  /** Call a function after every change. */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /** Change something: `change` gets this, then everybody hears of it. */
  async update(change) {
    change(this);
    for (const name of [...this.range.keys(), ...(this.sort ? [this.sort.name] : [])]) {
      const always = this.#columns.shown.includes(name) || name === "clip";
      if (!always && !this.extra.includes(name)) this.extra.push(name);
    }
    await Promise.all(this.extra.map((name) => this.#columns.load(name)));
    this.#listeners.forEach((listener) => listener());
  }

  /** Show everything in the order of the dataset. */
  clear() {
    return this.update(() => {
      this.text = "";
      this.is.clear();
      this.range.clear();
      this.sort = null;
      this.extra = [];
      this.decided = false;
    });
  }

  get any() {
    return Boolean(this.text || this.is.size || this.range.size || this.decided);
  }

  /** The rows that pass, in order. */
  rows() {
    const tests = this.#tests();
    const rows = [];
    for (let row = 0; row < this.#columns.clips.length; row += 1) {
      if (tests.every((test) => test(row))) rows.push(row);
    }
    if (this.sort?.name === "clip") {
      const { clips } = this.#columns;
      const sign = this.sort.down ? -1 : 1;
      rows.sort((a, b) => (clips[a] < clips[b] ? -sign : clips[a] > clips[b] ? sign : 0));
    } else if (this.sort) {
      const column = this.#columns.byName.get(this.sort.name);
      rows.sort(this.#columns.order(column, this.sort.down));
    }
    return rows;
  }

  /** Take over what an address says; ignores what this report does not have. */
  async read(address) {
    const said = new URLSearchParams(address);
    await this.update(() => {
      this.text = said.get("text") ?? "";
      this.decided = said.has("decided");
      const known = (name) => this.#columns.byName.has(name);
      this.extra = (said.get("show") ?? "").split(",").filter(known);
      const sort = said.get("sort") ?? "";
      const name = sort.replace(/^-/, "");
      this.sort = known(name) || name === "clip" ? { name, down: sort.startsWith("-") } : null;
      for (const [key, value] of said) {
        const [kind, column] = key.split(/\.(.*)/);
        if (!known(column)) continue;
        if (kind === "is") this.is.set(column, value);
        else if (kind === "min" || kind === "max") this.bound(column, kind, value);
      }
    });
  }

  /** Set one end of a range; an empty value is no end. */
  bound(name, kind, value) {
    const range = this.range.get(name) ?? [null, null];
    const number = value === "" ? null : Number(value);
    range[kind === "min" ? 0 : 1] = Number.isNaN(number) ? null : number;
    if (range.every((end) => end === null)) this.range.delete(name);
    else this.range.set(name, range);
  }

  #tests() {
    const tests = [];
    for (const [name, wanted] of this.is) {
      const column = this.#columns.byName.get(name);
      const code = column.choices.indexOf(wanted);
      tests.push(column.kind === "labels" ? (row) => column.values[row].includes(code)
        : (row) => column.values[row] === code);
    }
    for (const [name, [low, high]] of this.range) {
      const { values } = this.#columns.byName.get(name);
      tests.push((row) => values[row] !== null && (low === null || values[row] >= low)
        && (high === null || values[row] <= high));
    }
    if (this.decided) tests.push((row) => this.#decisions.get(this.#columns.clips[row]) !== null);
    if (this.text) tests.push(this.#search());
    return tests;
  }

  #search() {
    const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = this.#columns.all.filter((one) => one.values && one.kind !== "number");
    return (row) => {
      const said = texts.map((column) => this.#columns.text(column, row));
      const all = `${this.#columns.clips[row]}\n${said.join("\n")}`.toLowerCase();
      return words.every((word) => all.includes(word));
    };
  }

  /** The same as text, for addresses; "" shows everything in the order of the dataset. */
  get address() {
    const said = new URLSearchParams();
    if (this.text) said.set("text", this.text);
    this.is.forEach((value, name) => said.set(`is.${name}`, value));
    this.range.forEach(([low, high], name) => {
      if (low !== null) said.set(`min.${name}`, low);
      if (high !== null) said.set(`max.${name}`, high);
    });
    if (this.sort) said.set("sort", (this.sort.down ? "-" : "") + this.sort.name);
    if (this.extra.length) said.set("show", this.extra.join(","));
    if (this.decided) said.set("decided", "1");
    return said.toString();
  }
}
