"use strict";

// Pictures of a trajectory: the frame that is looked at, the contact sheet, what is seen twice.

/** A part of a picture file that holds several, as an element that fills its width. */
function part(address, [across, down], [column, row], [wide, tall], label) {
  const box = relickit.element("div", { class: "tile", role: "img", "aria-label": label });
  box.style.aspectRatio = `${wide} / ${tall}`;
  box.style.backgroundImage = `url("${address}")`;
  showPart(box, [across, down], [column, row]);
  return box;
}

function showPart(box, [across, down], [column, row]) {
  const place = (n, count) => `${count > 1 ? (100 * n) / (count - 1) : 0}%`;
  box.style.backgroundSize = `${100 * across}% ${100 * down}%`;
  box.style.backgroundPosition = `${place(column, across)} ${place(row, down)}`;
}

/** How many columns and rows a contact sheet has. */
function grid(sheet) {
  return [sheet.columns, Math.ceil(sheet.frames.length / sheet.columns)];
}

/** The frame that is looked at: from the video, where it lies beside the report, or the sheet. */
class Viewer {
  #data;
  #moment;
  #plays = false; // whether the video can be shown

  constructor(data, moment) {
    this.#data = data;
    this.#moment = moment;
    const { element } = relickit;
    const { sheet } = data.pictures;
    this.tile = sheet ? part(sheet.picture, grid(sheet), [0, 0], sheet.tile_px, "The frame") : null;
    this.said = element("p", { class: "now" });
    this.broken = element("ul", { class: "reasons" });
    this.picture = element("div", { class: "frame" }, this.tile,
      data.video ? this.#video(data.video) : null,
      sheet ? null : element("p", { class: "fine empty" }, data.pictures.note || "No pictures."));
    this.element = element("figure", { class: "viewer" },
      element("figcaption", {}, "Frame looked at"), this.picture, this.said, this.broken);
    moment.listen(() => this.#show());
  }

  #video(address) {
    this.video = relickit.element("video", { muted: true, playsinline: true, preload: "auto" });
    this.video.muted = true;
    this.video.hidden = true;
    this.video.addEventListener("loadeddata", () => {
      this.#plays = true;
      this.video.hidden = false;
      this.#seek();
    });
    this.video.addEventListener("seeked", () => this.#seek());
    this.video.src = address;
    return this.video;
  }

  #seek() {
    const wanted = (this.#moment.frame + 0.5) * this.#moment.step;
    const reached = Math.abs(this.video.currentTime - wanted) < 0.25 * this.#moment.step;
    if (this.#plays && !this.video.seeking && !reached) this.video.currentTime = wanted;
  }

  #show() {
    const { frame } = this.#moment;
    const { sheet } = this.#data.pictures;
    let near = "";
    if (sheet) {
      const n = nearest(sheet.frames, frame);
      showPart(this.tile, grid(sheet), [n % sheet.columns, Math.floor(n / sheet.columns)]);
      if (!this.#plays && sheet.frames[n] !== frame) near = ` · picture of frame ${sheet.frames[n]}`;
    }
    if (this.video) this.#seek();
    const clips = this.#data.clips.map((clip, n) => [clip, n + 1])
      .filter(([clip]) => clip.start <= frame && frame < clip.stop)
      .map(([clip, n]) => `clip ${n} (${clip.keep ? "kept" : "rejected"})`);
    const where = this.#data.clips.length ? ` · ${clips.join(" and ") || "in no clip"}` : "";
    const text = this.#moment.text(frame);
    this.said.textContent = text === `frame ${frame}` ? `Frame ${frame}${where}${near}`
      : `Frame ${frame} · ${text}${where}${near}`;
    this.broken.replaceChildren(...this.#data.spans
      .filter((span) => span.start <= frame && frame < span.stop)
      .map((span) => relickit.element("li", {}, `${span.rule}: ${span.text}`)));
  }
}

/** The picture of a frame beside the mouse, wherever the page is scrolled to. */
class Peek {
  #sheet;

  constructor(sheet) {
    this.#sheet = sheet;
    this.tile = part(sheet.picture, grid(sheet), [0, 0], sheet.tile_px, "");
    this.said = relickit.element("span");
    this.element = relickit.element("div", { class: "peek", "aria-hidden": "true" }, this.tile, this.said);
    this.element.hidden = true;
  }

  /** Show the frame that is looked at beside a pointer; nothing without a moment. */
  at(event, moment) {
    this.element.hidden = moment === null || event.pointerType === "touch";
    if (this.element.hidden) return;
    const n = nearest(this.#sheet.frames, moment.frame);
    const { columns } = this.#sheet;
    showPart(this.tile, grid(this.#sheet), [n % columns, Math.floor(n / columns)]);
    this.said.textContent = moment.text(this.#sheet.frames[n]);
    const [wide, tall] = [this.element.offsetWidth, this.element.offsetHeight];
    const right = event.clientX + 18 + wide < innerWidth;
    this.element.style.left = `${event.clientX + (right ? 18 : -18 - wide)}px`;
    const top = event.clientY + 18 + tall < innerHeight ? event.clientY + 18 : event.clientY - 18 - tall;
    this.element.style.top = `${top}px`;
  }
}

/** Place of the number that is nearest to another in a sorted list. */
function nearest(sorted, wanted) {
  let best = 0;
  sorted.forEach((one, n) => {
    if (Math.abs(one - wanted) < Math.abs(sorted[best] - wanted)) best = n;
  });
  return best;
}

function contactSheet(data, moment) {
  const { element } = relickit;
  const { sheet, note } = data.pictures;
  if (!sheet) return note ? element("p", { class: "fine" }, note) : null;
  const tiles = sheet.frames.map((frame, n) => {
    const bad = data.spans.filter((span) => !span.whole && span.start <= frame && frame < span.stop);
    const at = [n % sheet.columns, Math.floor(n / sheet.columns)];
    return element("button", {
      type: "button", class: bad.length ? "picture bad" : "picture", "data-frame": frame,
      title: bad.map((span) => `${span.rule}: ${span.text}`).join("\n") || null,
      onclick: () => moment.choose(frame),
    }, part(sheet.picture, grid(sheet), at, sheet.tile_px, `Frame ${frame}`),
    element("span", {}, `${bad.length ? "✗ " : ""}${moment.text(frame)}`));
  });
  moment.listen(() => {
    const n = nearest(sheet.frames, moment.frame);
    tiles.forEach((tile, k) => tile.classList.toggle("now", k === n));
  });
  return element("div", {}, element("div", { class: "sheet" }, tiles),
    note ? element("p", { class: "fine" }, note) : null);
}

function pairs(data, moment) {
  const { element } = relickit;
  if (!data.pictures.pairs.length) {
    return data.pictures.sheet
      ? element("p", { class: "fine" }, "Nothing is seen again after something else was seen.") : null;
  }
  const figures = data.pictures.pairs.map((pair) => figure(pair, moment));
  return element("div", {}, figures, data.pictures.pairs.some((pair) => pair.parts === 4)
    ? legend() : null);
}

function figure(pair, moment) {
  const { element, number } = relickit;
  const names = pair.kind === "again"
    ? ["Now", "Then", "Then, as seen from now", "Difference"]
    : ["Frame", "8 frames on", "That, as seen from here", "Difference"];
  const frames = [pair.now, pair.then];
  const parts = names.slice(0, pair.parts).map((name, n) => {
    const label = n < 2 ? `${name}: ${moment.text(frames[n])}` : name;
    const tile = part(pair.picture, [pair.parts, 1], [n, 0], pair.part_px, label);
    if (n > 1) return element("div", { class: "picture" }, tile, element("span", {}, label));
    return element("button", {
      type: "button", class: "picture", onclick: () => moment.choose(frames[n]),
    }, tile, element("span", {}, label));
  });
  const apart = Math.abs(moment.time.at[moment.indexOf(pair.now)] - moment.time.at[moment.indexOf(pair.then)]);
  const unit = moment.time.unit === "s" ? "s" : "frames";
  const first = pair.kind === "again" ? `Seen again after ${number(apart)} ${unit}.`
    : "The frames, 8 apart, whose pose and depth agree least.";
  const error = pair.parts < 4 ? " Without planar depth nothing is warped."
    : pair.error === null ? " No surface is seen by both."
      : ` Warp error ${number(pair.error)} of 255 levels, over the ${number(pair.seen)} % of the ` +
        "picture that both see.";
  return element("figure", { class: "pair" }, element("figcaption", {}, element("b", {}, first), error),
    element("div", { class: "parts" }, parts));
}

function legend() {
  const { element } = relickit;
  return element("p", { class: "fine" }, "Difference: ", element("i", { class: "bar errors" }),
    " 0 to 48 levels of luma and more; grey: hidden from the other frame, or outside of it.");
}
