"use strict";

// Everything over time, one row a curve, all on one axis; point at it to see the frame.

class Timelines {
  #data;
  #moment;
  #rows = []; // functions that show the value at a frame

  constructor(data, moment) {
    this.#data = data;
    this.#moment = moment;
    this.element = this.#build();
    moment.listen(() => this.#point());
  }

  #build() {
    const { element } = relickit;
    const { curves } = this.#data;
    const groups = [...new Set(curves.map((curve) => curve.group))];
    const order = ["Broken", ...groups.filter((g) => g !== "More" && g !== "Broken")];
    const shown = order.flatMap((group) => curves.filter((curve) => curve.group === group));
    const more = curves.filter((curve) => curve.group === "More");
    this.cursor = element("i", { class: "cursor" });
    this.stack = element("div", { class: "timelines" },
      this.#clips(), this.#broken(), shown.map((curve) => this.#curve(curve)), this.#actions(),
      more.length ? element("details", { class: "more" },
        element("summary", {}, `${more.length} more measurements`),
        more.map((curve) => this.#curve(curve))) : null,
      this.#axis(), this.cursor);
    this.peek = this.#data.pictures.sheet ? new Peek(this.#data.pictures.sheet) : null;
    this.stack.addEventListener("pointermove", (event) => {
      const frame = this.#frameAt(event);
      if (frame !== null) this.#moment.point(frame);
      this.peek?.at(event, frame === null ? null : this.#moment);
    });
    this.stack.addEventListener("pointerleave", (event) => {
      this.#moment.point(null);
      this.peek?.at(event, null);
    });
    this.stack.addEventListener("click", (event) => {
      const frame = this.#frameAt(event);
      if (frame !== null && !event.target.closest("button")) this.#moment.choose(frame);
    });
    new ResizeObserver(() => this.#point()).observe(this.stack);
    return element("div", {},
      element("p", { class: "fine" }, "Click to stay at a frame; ← and → go on from there, " +
        "with Shift by eight. Dashed: the bound of a rule. Shaded: frames beyond it; hollow: said " +
        "of the clip as a whole."),
      this.stack, this.peek?.element);
  }

  /** The frame below the mouse, or null beside the plots. */
  #frameAt(event) {
    const plot = event.target.closest(".plot");
    if (!plot) return null;
    const box = plot.getBoundingClientRect();
    return ((event.clientX - box.x) / box.width) * this.#moment.last;
  }

  #point() {
    const plot = this.stack.querySelector(".plot");
    if (!plot) return;
    const [whole, box] = [this.stack.getBoundingClientRect(), plot.getBoundingClientRect()];
    const share = this.#moment.frame / Math.max(this.#moment.last, 1);
    this.cursor.style.left = `${box.x - whole.x + share * box.width}px`;
    this.#rows.forEach((row) => row());
  }

  /** A row: its name, what is drawn (in frames across), and what it says at the frame. */
  #row(kind, name, about, plot, said) {
    const { element } = relickit;
    return element("div", { class: `row ${kind}` },
      element("div", { class: "name", title: about }, name),
      element("div", { class: "plot" }, plot), element("div", { class: "said" }, said));
  }

  #drawing(high, ...children) {
    return relickit.drawing("svg", {
      viewBox: `0 0 ${Math.max(this.#moment.last, 1)} ${high}`, preserveAspectRatio: "none",
    }, ...children);
  }

  #clips() {
    const { clips } = this.#data;
    if (!clips.length) return null;
    const { element } = relickit;
    const blocks = clips.map((clip, n) => {
      const block = element("button", {
        type: "button", class: `block ${clip.keep ? "keep" : "reject"}`, title: clip.id,
        onclick: () => {
          const card = document.getElementById(`clip-${n}`);
          card.open = true;
          card.scrollIntoView({ block: "center" });
        },
      }, `${clip.keep ? "✓" : "✗"} clip ${n + 1}`);
      block.style.left = `${(100 * clip.start) / Math.max(this.#moment.last, 1)}%`;
      block.style.width = `${(100 * (clip.stop - 1 - clip.start)) / Math.max(this.#moment.last, 1)}%`;
      return block;
    });
    const kept = clips.filter((clip) => clip.keep).length;
    return this.#row("blocks", "Clips", "", blocks, `${kept} of ${clips.length} kept`);
  }

  /** One row for each rule that is broken somewhere. */
  #broken() {
    const { drawing, element } = relickit;
    const { clips } = this.#data;
    const names = [...new Set(this.#data.spans.map((span) => span.rule))];
    return names.map((name) => {
      const spans = this.#data.spans.filter((span) => span.rule === name);
      const marks = spans.map((span) => drawing("rect", {
        class: `span${span.clip < 0 ? " free" : ""}${span.whole ? " whole" : ""}`,
        x: span.start - 0.5, y: 2, width: span.stop - span.start, height: 16,
      }, drawing("title", {}, `${this.#moment.text(span.start)}: ${span.text}`)));
      const worst = spans[0];
      const go = element("button", {
        type: "button", class: "link", title: spans.map((span) => span.text).join("\n"),
        onclick: () => this.#moment.choose(worst.worst),
      }, `✗ ${name}`);
      const said = element("span", {}, extent(spans, clips));
      return this.#row("rule", go, "", this.#drawing(20, ...marks), said);
    });
  }

  #curve(curve) {
    const { drawing, element, number } = relickit;
    const [low, high] = range(curve);
    const tall = 44;
    const y = (value) => tall - 3 - ((value - low) / (high - low)) * (tall - 6);
    const spans = this.#data.spans.filter((span) => !span.whole &&
      this.#data.rules.some((rule) => rule.name === span.rule && rule.curve === curve.name));
    const marks = spans.map((span) => drawing("rect", {
      class: "span", x: span.start - 0.5, y: 0, width: span.stop - span.start, height: tall,
    }));
    const bounds = curve.bounds.filter(([value]) => low <= value && value <= high)
      .map(([value, kind, rule]) => drawing("line", {
        class: "bound", x1: 0, x2: Math.max(this.#moment.last, 1), y1: y(value), y2: y(value),
      }, drawing("title", {}, `${rule}: ${kind} ${number(value)} ${curve.unit}`)));
    const drawn = this.#drawing(tall, ...marks, ...bounds, drawing("path", {
      class: "line", d: outline(curve, this.#data.time, y),
    }));
    const now = element("b");
    const every = everywhere(curve, this.#data.time);
    this.#rows.push(() => {
      const value = every[this.#moment.index] ?? null;
      const beyond = value !== null && curve.bounds.some(([bound, kind]) =>
        (kind === "at most" ? value > bound : value < bound));
      now.className = beyond ? "beyond" : "";
      now.textContent = `${beyond ? "✗ " : ""}${number(value)} ${value === null ? "" : curve.unit}`;
    });
    const limits = curve.bounds.map(([value, kind]) =>
      `${kind === "at most" ? "≤" : "≥"} ${number(value)}`).join(", ");
    const known = curve.values.filter((value) => value !== null);
    const [least, most] = [Math.min(...known), Math.max(...known)];
    const span = least === most ? `always ${number(least)}` : `${number(least)} to ${number(most)}`;
    const said = [now, element("small", {}, span, limits && ` · kept ${limits}`)];
    const name = element("span", {}, curve.label, curve.unit && element("small", {}, ` ${curve.unit}`));
    return this.#row("curve", name, curve.about, drawn, said);
  }

  /** A strip for each action that occurs: the darker, the more. */
  #actions() {
    const { element, number } = relickit;
    const { actions } = this.#data;
    if (!actions) return null;
    const most = new Map();
    actions.values.forEach((row, n) => {
      const size = Math.max(...row.map((value) => Math.abs(value ?? 0)));
      const scale = actions.units[n] || actions.names[n];
      most.set(scale, Math.max(most.get(scale) ?? 0, size));
    });
    const silent = [];
    const rows = actions.values.map((row, n) => {
      const name = actions.names[n].replaceAll("_", " ");
      if (!row.some((value) => value)) {
        silent.push(name);
        return null;
      }
      const strip = element("canvas", { width: row.length, height: 1, class: "strip" });
      const now = element("b");
      this.#rows.push(() => {
        const value = row[this.#moment.index];
        now.textContent = value ? `${number(value)} ${actions.units[n]}` : "";
      });
      const size = most.get(actions.units[n] || actions.names[n]) || 1;
      const paint = () => paintStrip(strip, row, size);
      requestAnimationFrame(paint);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
      return this.#row("action", name, "", strip, now);
    }).filter(Boolean);
    const title = element("p", { class: "fine" }, element("b", {}, "Actions"), ` ${actions.meaning}`,
      silent.length ? ` Never: ${silent.join(", ")}.` : "");
    return element("div", { class: "actions" }, title, rows);
  }

  #axis() {
    const { element } = relickit;
    const { time } = this.#data;
    const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
      const mark = element("span", {}, this.#moment.text(Math.round(share * this.#moment.last)));
      mark.style.left = `${100 * share}%`;
      return mark;
    });
    return this.#row("axis", time.unit === "s" ? "Time" : "Frame", "", marks, "");
  }
}

/** Where a rule is broken, in a few words. */
function extent(spans, clips) {
  if (spans.every((span) => span.whole)) {
    return spans.length === 1 ? "the clip as a whole" : `${spans.length} clips as a whole`;
  }
  if (clips.length && spans.every((span) => span.clip < 0)) return "in no clip";
  return `${spans.length} ${spans.length === 1 ? "span" : "spans"}`;
}

/** Lowest and highest of a curve and of the bounds that are near; from zero where that is near. */
function range(curve) {
  const known = curve.values.filter((value) => value !== null);
  let [low, high] = [Math.min(...known), Math.max(...known)];
  if (low > 0 && low < 0.6 * high) low = 0;
  const size = Math.max(high - low, 1e-9 * Math.max(Math.abs(high), 1));
  for (const [bound] of curve.bounds) {
    if (bound > high && bound - high < 1.5 * size) high = bound + 0.05 * size;
    if (bound < low && low - bound < 1.5 * size) low = bound - 0.05 * size;
  }
  if (high - low <= 1e-9 * Math.max(Math.abs(high), 1)) {
    return low === 0 ? [0, 1] : [low - 0.5, high + 0.5];
  }
  return [low, high];
}

/** The path of a curve in an SVG: connected values, or a level for as long as each one speaks. */
function outline(curve, time, y) {
  const parts = [];
  if (curve.at) {
    curve.at.forEach((frame, n) => {
      const end = Math.min(frame + curve.reach, time.count - 1);
      parts.push(`M${frame} ${y(curve.values[n]).toFixed(2)}H${end}`);
    });
    return parts.join("");
  }
  let on = false;
  curve.values.forEach((value, n) => {
    if (value !== null) parts.push(`${on ? "L" : "M"}${time.frames[n]} ${y(value).toFixed(2)}`);
    on = value !== null;
  });
  return parts.join("");
}

function paintStrip(strip, row, size) {
  const pen = strip.getContext("2d");
  pen.clearRect(0, 0, strip.width, 1);
  pen.fillStyle = getComputedStyle(strip).color;
  row.forEach((value, n) => {
    if (!value) return;
    pen.globalAlpha = 0.12 + 0.88 * Math.min(1, Math.abs(value) / size);
    pen.fillRect(n, 0, 1, 1);
  });
}
