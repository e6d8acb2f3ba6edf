"use strict";

/**
 * What people decide about clips, in the format of docs/formats.md (decisions.jsonl).
 *
 * The browser keeps it for this report until somebody downloads it or takes it back. A decision is
 * {keep: boolean, note: string}; null where the rules decide.
 */
class Decisions {
  #place; // its key in the browser's store
  #before; // clip id -> decision, when the report was written
  #changes; // clip id -> decision or null, since
  #listeners = [];

  /** @param about content of data/about.js */
  constructor(about) {
    this.#place = `relickit ${about.report}`;
    this.#before = new Map(about.decisions.map(([clip, keep, note]) => [clip, { keep, note }]));
    this.#changes = this.#stored();
    // Another page of this report decided something.
    addEventListener("storage", (event) => {
      if (event.key !== this.#place && event.key !== null) return;
      this.#changes = this.#stored();
      this.#tell();
    });
  }

  /** How many clips are decided otherwise than when the report was written. */
  get changed() {
    return this.#changes.size;
  }

  /** The decision about a clip. */
  get(clip) {
    const changed = this.#changes.get(clip);
    return (changed === undefined ? this.#before.get(clip) : changed) ?? null;
  }

  /** Decide about a clip. */
  set(clip, decision) {
    const before = this.#before.get(clip) ?? null;
    const same = before?.keep === decision?.keep && before?.note === decision?.note;
    if (same) this.#changes.delete(clip);
    else this.#changes.set(clip, decision);
    this.#store();
  }

  /** Take back all that was decided since the report was written. */
  forget() {
    this.#changes = new Map();
    this.#store();
  }

  /** Call a function without arguments after every change. */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /** Content of decisions.jsonl: all that is decided, old and new, by clip id. */
  text() {
    const clips = [...new Set([...this.#before.keys(), ...this.#changes.keys()])].sort();
    return clips.map((clip) => {
      const decision = this.get(clip);
      if (!decision) return "";
      const { keep, note } = decision;
      return `${JSON.stringify(note ? { clip_id: clip, keep, note } : { clip_id: clip, keep })}\n`;
    }).join("");
  }

  /** Take over the content of another decisions.jsonl; returns how many lines it has. */
  take(content) {
    const said = content.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
    if (!said.every((one) => typeof one.clip_id === "string" && typeof one.keep === "boolean")) {
      throw new Error("every line needs a clip_id and a keep that is true or false");
    }
    for (const { clip_id: clip, keep, note } of said) this.set(clip, { keep, note: note ?? "" });
    return said.length;
  }

  /** Keep or reject; the same again leaves the clip to the rules. */
  toggle(clip, keep) {
    const now = this.get(clip);
    this.set(clip, now?.keep === keep ? null : { keep, note: now?.note ?? "" });
  }

  /** Buttons to keep or reject a clip, pressed again the rules decide; and a field for a note. */
  control(clip) {
    const switches = this.switches();
    const show = () => switches.show(clip);
    this.listen(show);
    show();
    return switches.element;
  }

  /** The same for one clip after another: {element, show(clip)}. */
  switches() {
    const { element } = relickit;
    let clip = null;
    const button = (keep, word) => element("button", {
      type: "button", class: `decide ${word.toLowerCase()}`, onclick: () => this.toggle(clip, keep),
    }, word);
    const buttons = [button(true, "Keep"), button(false, "Reject")];
    const note = element("input", {
      type: "text", class: "note", placeholder: "why", "aria-label": "Why",
      onchange: () => this.set(clip, { ...this.get(clip), note: note.value.trim() }),
    });
    const show = (wanted) => {
      // What is half typed belongs to the clip before.
      if (wanted !== clip && document.activeElement === note) note.blur();
      const now = this.get(wanted);
      buttons[0].setAttribute("aria-pressed", now?.keep === true);
      buttons[1].setAttribute("aria-pressed", now?.keep === false);
      note.hidden = now === null;
      if (document.activeElement !== note) note.value = now?.note ?? "";
      clip = wanted;
    };
    return { element: element("span", { class: "decision" }, buttons, note), show };
  }

  /** How much is decided, the download, and taking over a file. */
  bar() {
    const { element } = relickit;
    const said = element("span", { role: "status" });
    const file = element("input", { type: "file", accept: ".jsonl,.json,.txt", hidden: true });
    file.onchange = async () => {
      try {
        const count = this.take(await file.files[0].text());
        said.textContent = `${count} decisions taken over`;
      } catch (error) {
        said.textContent = `${file.files[0].name} is no decisions.jsonl: ${error.message}`;
      }
      file.value = "";
    };
    const save = element("button", { type: "button", class: "main", onclick: () => this.download() },
      "Download decisions.jsonl");
    const load = element("button", { type: "button", onclick: () => file.click() }, "Load …");
    const back = element("button", { type: "button", onclick: () => this.forget() }, "Take back");
    const show = () => {
      const count = this.changed;
      said.textContent = count === 0 ? "No new decisions"
        : `${count} new decision${count === 1 ? "" : "s"}, in this browser only`;
      save.disabled = back.disabled = count === 0;
    };
    this.listen(show);
    show();
    return element("div", { class: "decisions" }, said, save, load, back, file);
  }

  /** Give the user decisions.jsonl. */
  download() {
    const url = URL.createObjectURL(new Blob([this.text()], { type: "application/jsonl" }));
    relickit.element("a", { href: url, download: "decisions.jsonl" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  #stored() {
    try {
      return new Map(JSON.parse(localStorage.getItem(this.#place)) ?? []);
    } catch {
      return new Map(); // the browser keeps nothing
    }
  }

  #store() {
    try {
      if (this.changed) localStorage.setItem(this.#place, JSON.stringify([...this.#changes]));
      else localStorage.removeItem(this.#place);
    } catch {
      // A store that is full or forbidden: the decisions last as long as the page.
    }
    this.#tell();
  }

  #tell() {
    this.#listeners.forEach((listener) => listener());
  }
}
