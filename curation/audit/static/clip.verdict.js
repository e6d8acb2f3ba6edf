"use strict";

// What was decided about each clip, by which rules, with people's own decision.

function verdicts(data, moment, decisions, chosen) {
  const { element } = relickit;
  if (data.kind !== "episode") return outside(data, decisions);
  if (!data.clips.length) {
    return element("p", {}, "No clip fits between the frames that are out of bounds.");
  }
  const few = data.clips.length <= 2;
  const cards = data.clips.map((clip, n) => card(data, clip, n, moment, decisions, {
    open: few || !clip.keep || clip.id === chosen, chosen: clip.id === chosen,
  }));
  return element("div", {}, cards, decisions.bar());
}

/** Somebody else's dataset has no clips of ours: what is wrong, and a decision about all of it. */
function outside(data, decisions) {
  const { element } = relickit;
  const found = data.problems.map((problem) =>
    element("li", {}, element("b", {}, problem.rule), `: ${problem.text}`));
  return element("div", {},
    found.length ? element("ul", { class: "reasons" }, found)
      : element("p", {}, "Nothing is wrong with it, as far as it can be told."),
    data.notes.map((note) => element("p", { class: "fine" }, note)),
    data.decide ? [decisions.control(data.decide), decisions.bar()] : null);
}

/** What cannot be shown, above everything else. */
function problems(data) {
  const { element } = relickit;
  if (data.path) return null;
  return element("p", { class: "problem", role: "alert" },
    data.problems[0]?.text ?? "There is no path to show.");
}

function card(data, clip, n, moment, decisions, { open, chosen }) {
  const { element, number } = relickit;
  const last = clip.stop - 1;
  const word = clip.keep ? "✓ kept" : "✗ rejected";
  const details = element("details", {
    class: `verdict-card ${clip.keep ? "keep" : "reject"}${chosen ? " chosen" : ""}`,
    id: `clip-${n}`, open,
  },
  element("summary", {}, element("b", {}, `Clip ${n + 1}`),
    element("span", { class: `pill ${clip.keep ? "keep" : "reject"}` }, word),
    element("span", { class: "soft" }, `${moment.text(clip.start)} to ${moment.text(last)}` +
      ` · ${clip.stop - clip.start} frames · ${clip.split}` +
      (clip.weight > 0 && clip.weight !== 1 ? ` · drawn ${number(clip.weight)} times as often` : ""))),
  element("p", { class: "id" }, clip.id),
  clip.reasons.length ? element("ul", { class: "reasons" },
    clip.reasons.map((reason) => element("li", {}, reason))) : null,
  clip.caption ? element("p", { class: "caption" }, clip.caption)
    : element("p", { class: "fine" }, "No caption."),
  decisions.control(clip.id),
  element("details", { class: "rules", open: !clip.keep },
    element("summary", {}, `All ${data.rules.length} rules`), table(data, clip, moment)));
  return details;
}

/** Every rule with the clip's value; those that it breaks first. */
function table(data, clip, moment) {
  const { element, number } = relickit;
  const lines = data.rules.map((rule, n) => {
    const value = clip.values[n];
    const state = value === null ? (rule.required ? "broken" : "unknown")
      : (rule.at_least !== null && value < rule.at_least)
        || (rule.at_most !== null && value > rule.at_most) ? "broken" : "fine";
    return { rule, value, state };
  });
  const order = { broken: 0, unknown: 2, fine: 1 };
  lines.sort((a, b) => order[a.state] - order[b.state]);
  const allowed = (rule) => {
    if (rule.at_least !== null && rule.at_least === rule.at_most) return `= ${number(rule.at_least)}`;
    return [rule.at_least === null ? "" : `≥ ${number(rule.at_least)}`,
      rule.at_most === null ? "" : `≤ ${number(rule.at_most)}`].filter(Boolean).join(", ");
  };
  const rows = lines.map(({ rule, value, state }) => {
    const at = data.spans.find((span) => span.rule === rule.name
      && data.clips[span.clip] === clip);
    return element("tr", { class: state },
      element("td", {}, { broken: "✗", fine: "✓", unknown: "–" }[state]),
      element("td", { title: rule.about }, rule.name),
      element("td", { class: "number" }, value === null ? "not measured" : `${number(value)} ${rule.unit}`),
      element("td", { class: "number" }, `${allowed(rule)} ${rule.unit}`),
      element("td", {}, at ? element("button", {
        type: "button", class: "link", onclick: () => moment.choose(at.worst),
      }, at.whole ? "as a whole" : `at ${moment.text(at.worst)}`) : null));
  });
  return element("div", { class: "scrolls" }, element("table", { class: "rules" },
    element("thead", {}, element("tr", {}, ["", "rule", "value", "kept if", "look"].map((title) =>
      element("th", { class: title === "value" || title === "kept if" ? "number" : null }, title)))),
    element("tbody", {}, rows)));
}
