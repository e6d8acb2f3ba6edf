"use strict";

// One trajectory: clip.html#<page key>/<clip id>/<filters of the table>. Its parts share the frame
// that is looked at.

/** The frame that is looked at: pointed at for a moment, or chosen with a click until the next. */
class Moment {
  #chosen = 0;
  #pointed = null;
  #listeners = [];

  /** @param time what the page's data says of time */
  constructor(time) {
    this.time = time;
    this.last = time.count - 1;
    const shown = time.at;
    this.step = time.count > 1 && shown.length > 1
      ? (shown[shown.length - 1] - shown[0]) / (time.frames[time.frames.length - 1] - time.frames[0])
      : 1;
  }

  /** Number of the frame. */
  get frame() {
    return this.#pointed ?? this.#chosen;
  }

  /** Where among the frames that the data shows it is. */
  get index() {
    return this.indexOf(this.frame);
  }

  indexOf(frame) {
    const every = this.time.frames.length > 1 ? this.time.frames[1] - this.time.frames[0] : 1;
    return Math.min(Math.floor(frame / every), this.time.frames.length - 1);
  }

  /** When a frame is, as people read it. */
  text(frame) {
    if (this.time.unit !== "s") return `frame ${frame}`;
    const at = this.time.at[this.indexOf(frame)];
    return at === null ? `frame ${frame}` : `${at.toFixed(2)} s`;
  }

  /** Look at a frame as long as the mouse is there. */
  point(frame) {
    this.#pointed = frame === null ? null : this.#within(frame);
    this.#tell();
  }

  /** Look at a frame. */
  choose(frame) {
    this.#chosen = this.#within(frame);
    this.#pointed = null;
    this.#tell();
  }

  listen(listener) {
    this.#listeners.push(listener);
    listener();
  }

  #within(frame) {
    return Math.max(0, Math.min(this.last, Math.round(frame)));
  }

  #tell() {
    this.#listeners.forEach((listener) => listener());
  }
}

/** A section of the page; null where it has nothing to show. */
function section(title, ...children) {
  if (children.every((child) => child === null)) return null;
  return relickit.element("section", {}, relickit.element("h2", {}, title), ...children);
}

function head(about, data, shown) {
  const { element } = relickit;
  document.title = `${data.title} · ${about.dataset}`;
  const facts = data.facts.map(([label, text]) =>
    element("div", {}, element("dt", {}, label), element("dd", {}, text)));
  document.getElementById("head").replaceChildren(
    element("p", { class: "eyebrow" },
      element("a", { href: `index.html${shown && `#${shown}`}` }, about.dataset), " · trajectory"),
    element("h1", {}, data.title),
    element("p", { class: "subtitle id" }, data.id),
    element("dl", { class: "facts-line" }, facts));
}

/** Whether a key is meant for something else than the page. */
function isTyping(event) {
  return event.ctrlKey || event.metaKey || event.altKey
    || Boolean(event.target.closest?.("input, select, textarea, canvas, summary"));
}

/** Left and right go through the frames, unless somebody types. */
function keys(moment) {
  addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || isTyping(event)) return;
    event.preventDefault();
    moment.choose(moment.frame + by * (event.shiftKey ? 8 : 1));
  });
}

async function show() {
  const { element } = relickit;
  const page = document.getElementById("page");
  const [key, wanted = "", shown = ""] = location.hash.slice(1).split("/");
  try {
    if (!/^[0-9a-f]{16}$/.test(key)) {
      throw new Error("this address names no trajectory; open one from the table of the report");
    }
    const about = await relickit.load("about");
    const data = await relickit.load(`pages/${key.slice(0, 2)}/${key}`);
    const decisions = new Decisions(about);
    head(about, data, shown);
    const moment = new Moment(data.time);
    keys(moment);
    const chosen = decodeURIComponent(wanted);
    const clip = data.clips.find((one) => one.id === chosen);
    page.replaceChildren(...[
      problems(data),
      element("div", { class: "stage" },
        data.path ? new Space(data, moment).element : null, new Viewer(data, moment).element),
      section("Over time", new Timelines(data, moment).element),
      section("Verdict", verdicts(data, moment, decisions, chosen)),
      section("Pictures", contactSheet(data, moment)),
      section("Seen twice", pairs(data, moment)),
    ].filter(Boolean));
    if (clip) moment.choose(clip.start);
    await neighbours(key, chosen, shown, decisions);
  } catch (error) {
    page.replaceChildren(element("p", { class: "problem", role: "alert" },
      `This page cannot be shown: ${error.message}.`),
    element("p", {}, element("a", { href: "index.html" }, "To the report")));
  }
}

addEventListener("hashchange", () => location.reload());
show();
