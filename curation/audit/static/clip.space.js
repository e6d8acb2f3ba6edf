"use strict";

// The path in space, over the map of where a camera may go: turned and zoomed with the mouse.

/** Colours from low to high that can be told apart without seeing red or green (viridis). */
const SCALE = [
  [68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128],
  [94, 201, 98], [173, 220, 48], [253, 231, 37],
];

function colour(share) {
  const place = Math.max(0, Math.min(1, share)) * (SCALE.length - 1);
  const low = Math.min(Math.floor(place), SCALE.length - 2);
  const mixed = SCALE[low].map((v, n) => Math.round(v + (place - low) * (SCALE[low + 1][n] - v)));
  return `rgb(${mixed.join(" ")})`;
}

/** Values of a curve at every frame shown, held as long as each speaks of its frames. */
function everywhere(curve, time) {
  if (!curve.at) return curve.values;
  const every = time.frames.length > 1 ? time.frames[1] - time.frames[0] : 1;
  const values = new Array(time.frames.length).fill(null);
  curve.at.forEach((frame, n) => {
    const from = Math.floor(frame / every);
    const to = Math.min(Math.ceil((frame + curve.reach) / every), values.length);
    for (let i = from; i < to; i += 1) values[i] = curve.values[n];
  });
  return values;
}

class Space {
  #data;
  #moment;
  #points; // [[x, y, z] or null] at the frames shown
  #colours; // of the steps to each point
  #bad; // whether a point lies in a bad span
  #turn = -0.9; // radians about the vertical
  #tilt = 0.85; // radians above the horizon
  #zoom = 1;
  #shift = [0, 0];
  #map = null;
  #waits = false;

  constructor(data, moment) {
    this.#data = data;
    this.#moment = moment;
    const flat = data.path.position;
    this.#points = data.time.frames.map((_, n) =>
      flat[3 * n] === null ? null : flat.slice(3 * n, 3 * n + 3));
    this.#bad = data.time.frames.map((frame) =>
      data.spans.some((span) => !span.whole && span.start <= frame && frame < span.stop));
    this.element = this.#build();
    this.#measureWorld();
    this.#paint();
    if (data.pictures.ground) {
      const map = new Image();
      map.onload = () => {
        this.#map = map;
        this.#soon();
      };
      map.src = data.pictures.ground.picture;
    }
    moment.listen(() => this.#soon());
    new ResizeObserver(() => this.#soon()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#soon());
  }

  #build() {
    const { element } = relickit;
    const options = this.#data.curves.map((curve) =>
      element("option", { value: curve.name }, `${curve.label}${curve.unit && `, ${curve.unit}`}`));
    this.menu = element("select", { onchange: () => this.#paint() }, options);
    this.menu.value = this.#telling();
    this.legend = element("span", { class: "scale" });
    this.canvas = element("canvas", {
      tabindex: 0, class: "space", role: "img",
      "aria-label": "The camera's path; drag to turn, arrow keys turn, plus and minus zoom",
      onpointerdown: (event) => this.#grab(event), onpointermove: (event) => this.#near(event),
      onpointerleave: () => this.#moment.point(null),
      onkeydown: (event) => this.#key(event), ondblclick: () => this.#reset(),
    });
    this.canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== this.canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.#zoomBy(Math.exp(-event.deltaY * 0.0015));
    }, { passive: false });
    const button = (text, label, act) =>
      element("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
    return element("figure", { class: "way" },
      element("figcaption", {}, options.length ? element("label", {}, "Path coloured by ", this.menu) : "Path", this.legend),
      element("div", { class: "frame" }, this.canvas, element("div", { class: "tools" },
        button("+", "Zoom in", () => this.#zoomBy(1.3)),
        button("−", "Zoom out", () => this.#zoomBy(1 / 1.3)),
        button("↓", "Look from above", () => this.#reset(0, Math.PI / 2)),
        button("⟲", "Reset the view", () => this.#reset()))),
      element("p", { class: "fine" }, "Drag to turn, with Shift to move; click, then scroll to zoom. " +
        "Point at the path to see its frames. Cased in red: a rule is broken there." +
        (this.#data.pictures.ground ? " The map: where a camera at this height may go; blue is far " +
          "from any surface, grey is out of reach, surfaces are dark." : "")));
  }

  /** Name of the curve to begin with: what is broken, or else the first that changes. */
  #telling() {
    const { curves, rules, spans } = this.#data;
    const rule = rules.find((one) => one.name === spans[0]?.rule);
    const chosen = curves.find((curve) => curve.name === rule?.curve)
      ?? curves.find((curve) => new Set(curve.values.filter((v) => v !== null)).size > 1)
      ?? curves[0];
    return chosen?.name ?? "";
  }

  /** Centre and size of what is shown. */
  #measureWorld() {
    const known = this.#points.filter(Boolean);
    const low = [0, 1, 2].map((k) => Math.min(...known.map((p) => p[k])));
    const high = [0, 1, 2].map((k) => Math.max(...known.map((p) => p[k])));
    this.centre = low.map((v, k) => (known.length ? (v + high[k]) / 2 : 0));
    this.size = known.length ? Math.max(...high.map((v, k) => v - low[k])) : 0;
    if (!(this.size > 0)) this.size = 1;
    if (this.#data.path.unit === "m") this.size = Math.max(this.size, 3);
  }

  #paint() {
    const curve = this.#data.curves.find((one) => one.name === this.menu.value);
    const values = curve ? everywhere(curve, this.#data.time) : [];
    const known = values.filter((v) => v !== null);
    const low = known.length ? Math.min(...known) : 0;
    const high = known.length ? Math.max(...known) : 0;
    this.#colours = this.#points.map((_, n) => {
      const value = values[n] ?? null;
      if (value === null) return null;
      return colour(high > low ? (value - low) / (high - low) : 0.5);
    });
    const bar = relickit.element("i", { class: "bar" });
    bar.style.background = `linear-gradient(90deg, ${SCALE.map((c) => `rgb(${c.join(" ")})`)})`;
    const { number } = relickit;
    this.legend.replaceChildren(...(known.length
      ? [number(low), bar, `${number(high)} ${curve.unit}`] : []));
    this.#soon();
  }

  #reset(turn = -0.9, tilt = 0.85) {
    this.#turn = turn;
    this.#tilt = tilt;
    this.#zoom = 1;
    this.#shift = [0, 0];
    this.#soon();
  }

  #zoomBy(factor) {
    this.#zoom = Math.max(0.2, Math.min(40, this.#zoom * factor));
    this.#soon();
  }

  #grab(event) {
    if (event.button !== 0) return;
    const start = [event.clientX, event.clientY];
    const [turn, tilt, shift] = [this.#turn, this.#tilt, this.#shift];
    this.canvas.setPointerCapture(event.pointerId);
    let moved = false;
    const drag = (now) => {
      const by = [now.clientX - start[0], now.clientY - start[1]];
      if (Math.hypot(...by) > 3) moved = true;
      if (now.shiftKey) {
        this.#shift = [shift[0] + by[0], shift[1] + by[1]];
      } else {
        this.#turn = turn - by[0] * 0.008;
        this.#tilt = Math.max(0, Math.min(Math.PI / 2, tilt + by[1] * 0.008));
      }
      this.#soon();
    };
    const end = () => {
      this.canvas.removeEventListener("pointermove", drag);
      if (!moved) this.#moment.choose(this.#moment.frame);
    };
    this.canvas.addEventListener("pointermove", drag);
    this.canvas.addEventListener("pointerup", end, { once: true });
    this.canvas.addEventListener("pointercancel", end, { once: true });
  }

  #near(event) {
    if (event.buttons) return;
    const box = this.canvas.getBoundingClientRect();
    const at = [event.clientX - box.x, event.clientY - box.y];
    let [best, found] = [18, null];
    this.#points.forEach((point, n) => {
      if (!point) return;
      const [x, y] = this.#place(point);
      const apart = Math.hypot(x - at[0], y - at[1]);
      if (apart < best) [best, found] = [apart, n];
    });
    this.#moment.point(found === null ? null : this.#data.time.frames[found]);
  }

  #key(event) {
    const turns = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    const by = turns[event.key];
    if (by) {
      this.#turn += by[0];
      this.#tilt = Math.max(0, Math.min(Math.PI / 2, this.#tilt + by[1]));
    } else if (event.key === "+" || event.key === "=") this.#zoomBy(1.2);
    else if (event.key === "-") this.#zoomBy(1 / 1.2);
    else return;
    event.preventDefault();
    this.#soon();
  }

  #soon() {
    if (this.#waits) return;
    this.#waits = true;
    requestAnimationFrame(() => {
      this.#waits = false;
      this.#draw();
    });
  }

  /** Pixels of a point in the world: an orthographic view, so that lengths can be compared. */
  #place([x, y, z]) {
    const [dx, dy, dz] = [x - this.centre[0], y - this.centre[1], z - this.centre[2]];
    const [c, s] = [Math.cos(this.#turn), Math.sin(this.#turn)];
    const across = dx * c + dy * s;
    const away = -dx * s + dy * c;
    const up = dz * Math.cos(this.#tilt) + away * Math.sin(this.#tilt);
    const scale = this.scale;
    return [this.width / 2 + this.#shift[0] + across * scale,
      this.height / 2 + this.#shift[1] - up * scale];
  }

  #draw() {
    const box = this.canvas.getBoundingClientRect();
    const dense = devicePixelRatio || 1;
    [this.width, this.height] = [box.width, box.height];
    if (!box.width) return;
    this.canvas.width = Math.round(box.width * dense);
    this.canvas.height = Math.round(box.height * dense);
    this.scale = (0.62 * Math.min(box.width, box.height * 1.2) / this.size) * this.#zoom;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    const style = getComputedStyle(this.canvas);
    const ink = (name) => style.getPropertyValue(name).trim() || "gray";
    pen.lineJoin = pen.lineCap = "round";
    this.#drawGround(pen, dense);
    this.#drawShadow(pen, ink);
    this.#drawPath(pen, ink);
    this.#drawCameras(pen, ink);
    this.#drawEnds(pen, ink);
    this.#drawRuler(pen, ink);
  }

  #drawGround(pen, dense) {
    const ground = this.#data.pictures.ground;
    if (!this.#map || !ground) return;
    const [x0, x1, y0, y1] = ground.edges;
    const z = this.#data.path.ground;
    const corner = this.#place([x0, y1, z]);
    const right = this.#place([x1, y1, z]);
    const down = this.#place([x0, y0, z]);
    const [w, h] = [this.#map.naturalWidth, this.#map.naturalHeight];
    pen.save();
    pen.globalAlpha = 0.9;
    pen.transform((right[0] - corner[0]) / w, (right[1] - corner[1]) / w,
      (down[0] - corner[0]) / h, (down[1] - corner[1]) / h, corner[0], corner[1]);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.#map, 0, 0);
    pen.restore();
    pen.setTransform(dense, 0, 0, dense, 0, 0);
  }

  /** The path on the ground, and how high the camera is above it. */
  #drawShadow(pen, ink) {
    const z = this.#data.path.ground;
    if (z === null || z === undefined) return;
    const shadow = this.#points.map((p) => p && this.#place([p[0], p[1], z]));
    pen.strokeStyle = ink("--shadow");
    pen.lineWidth = 2;
    this.#line(pen, shadow);
    pen.lineWidth = 1;
    const every = Math.max(1, Math.round(this.#points.length / 8));
    this.#points.forEach((point, n) => {
      if (point && n % every === 0) this.#line(pen, [this.#place(point), shadow[n]]);
    });
  }

  #drawPath(pen, ink) {
    const at = this.#points.map((p) => p && this.#place(p));
    pen.strokeStyle = ink("--casing");
    pen.lineWidth = 8;
    this.#line(pen, at);
    pen.strokeStyle = ink("--reject");
    pen.lineWidth = 9;
    for (let n = 1; n < at.length; n += 1) {
      if (this.#bad[n] && at[n] && at[n - 1]) this.#line(pen, [at[n - 1], at[n]]);
    }
    pen.lineWidth = 4.5;
    for (let n = 1; n < at.length; n += 1) {
      if (!at[n] || !at[n - 1]) continue;
      pen.strokeStyle = this.#colours[n] ?? ink("--faint");
      this.#line(pen, [at[n - 1], at[n]]);
    }
  }

  #drawEnds(pen, ink) {
    const known = this.#points.filter(Boolean);
    if (!known.length) return;
    const [start, end] = [known[0], known[known.length - 1]].map((point) => this.#place(point));
    pen.font = "600 12px system-ui, sans-serif";
    const apart = Math.hypot(start[0] - end[0], start[1] - end[1]);
    const both = apart < 26;
    const name = (place, text, round) => {
      pen.fillStyle = ink("--ink");
      pen.strokeStyle = ink("--casing");
      pen.lineWidth = 3;
      pen.beginPath();
      if (round) pen.arc(place[0], place[1], 5.5, 0, 2 * Math.PI);
      else pen.rect(place[0] - 5, place[1] - 5, 10, 10);
      pen.stroke();
      pen.fill();
      pen.strokeText(text, place[0] + 10, place[1] - 8);
      pen.fillText(text, place[0] + 10, place[1] - 8);
    };
    if (!both) name(end, "end", false);
    name(start, both ? "start and end" : "start", true);
  }

  /** Where the camera looks: faintly along the path, boldly at the frame that is looked at. */
  #drawCameras(pen, ink) {
    const every = Math.max(1, Math.round(this.#points.length / 10));
    const reach = 0.07 * this.size / Math.min(this.#zoom, 4);
    pen.strokeStyle = ink("--soft");
    pen.lineWidth = 1;
    this.#points.forEach((_, n) => {
      if (n % every === 0) this.#camera(pen, n, reach);
    });
    pen.strokeStyle = ink("--casing");
    pen.lineWidth = 5;
    this.#camera(pen, this.#moment.index, 2 * reach);
    pen.strokeStyle = ink("--ink");
    pen.lineWidth = 2;
    this.#camera(pen, this.#moment.index, 2 * reach);
  }

  #camera(pen, n, reach) {
    const eye = this.#points[n];
    if (!eye) return;
    const { forward, up, view } = this.#data.path;
    const f = forward.slice(3 * n, 3 * n + 3);
    const u = up.slice(3 * n, 3 * n + 3);
    if ([...f, ...u].includes(null)) return;
    const r = [f[1] * u[2] - f[2] * u[1], f[2] * u[0] - f[0] * u[2], f[0] * u[1] - f[1] * u[0]];
    const [a, b] = view ?? [0.6, 0.4];
    const corners = [[-a, b], [a, b], [a, -b], [-a, -b]].map(([h, v]) =>
      this.#place(eye.map((e, k) => e + reach * (f[k] + h * r[k] + v * u[k]))));
    const from = this.#place(eye);
    this.#line(pen, [...corners, corners[0]]);
    corners.forEach((corner) => this.#line(pen, [from, corner]));
  }

  /** A length to compare with; the view is orthographic, so it holds across the picture. */
  #drawRuler(pen, ink) {
    let length = 10 ** Math.floor(Math.log10(120 / this.scale));
    for (const more of [5, 2]) {
      if (more * length * this.scale < 120) {
        length *= more;
        break;
      }
    }
    const [x, y] = [14, this.height - 14];
    const wide = length * this.scale;
    pen.strokeStyle = pen.fillStyle = ink("--ink");
    pen.lineWidth = 1.5;
    this.#line(pen, [[x, y - 4], [x, y], [x + wide, y], [x + wide, y - 4]]);
    pen.font = "12px system-ui, sans-serif";
    pen.fillText(`${relickit.number(length)} ${this.#data.path.unit}`, x, y - 9);
  }

  #line(pen, places) {
    pen.beginPath();
    let on = false;
    for (const place of places) {
      if (place && on) pen.lineTo(place[0], place[1]);
      else if (place) pen.moveTo(place[0], place[1]);
      on = Boolean(place);
    }
    pen.stroke();
  }
}
