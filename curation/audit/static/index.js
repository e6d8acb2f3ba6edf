"use strict";

// The page about the whole dataset: the table with its controls, and what else filters it.
(async () => {
  const { element } = relickit;
  const place = document.getElementById("clips-table");
  if (!place) return;
  try {
    const [about, table] = await Promise.all([relickit.load("about"), relickit.load("table")]);
    const columns = new Columns(table);
    const decisions = new Decisions(about);
    const filters = new Filters(columns, decisions);
    const clips = new ClipTable(columns, filters, decisions);
    place.replaceChildren(decisions.bar(), controls(columns, filters, clips), clips.element);
    filters.listen(() => {
      const { address } = filters;
      if (address || location.hash.includes("=")) history.replaceState(null, "", `#${address}`);
    });
    const read = () => filters.read(location.hash.slice(1));
    await read();
    addEventListener("hashchange", () => location.hash.includes("=") && read());
    document.documentElement.classList.add("scripted");
    document.addEventListener("click", (event) => follow(event, filters));
    if (location.hash.includes("=")) place.scrollIntoView();
  } catch (error) {
    place.replaceChildren(element("p", { class: "reasons" },
      `The table cannot be shown: ${error.message}. Keep the whole folder together.`));
    throw error;
  }

  /** What stands elsewhere on the page filters: a reason, a scene, a bar of a histogram. */
  function follow(event, filters) {
    const link = event.target.closest("[data-column], [data-metric]");
    if (!link) return;
    const { column, value, metric, min, max } = link.dataset;
    filters.update(() => {
      if (column) filters.is.set(column, value);
      else filters.range.set(metric, [Number(min), Number(max)]);
    });
    document.getElementById("clips").scrollIntoView();
  }

  /** The row of fields above the table. */
  function controls(columns, filters, clips) {
    const search = element("input", { type: "search", placeholder: "Search", "aria-label": "Search",
      oninput: () => filters.update(() => { filters.text = search.value; }) });
    const selects = columns.all.filter((one) => one.choices?.length > (one.kind === "choice" ? 1 : 0))
      .map((column) => choice(column, filters));
    const decided = element("input", { type: "checkbox",
      onchange: () => filters.update(() => { filters.decided = decided.checked; }) });
    const add = adder(columns, filters);
    const ranges = element("div", { class: "ranges" });
    const count = element("p", { class: "count", role: "status" });
    const clear = element("button", { type: "button", onclick: () => filters.clear() }, "Show all");
    filters.listen(() => {
      if (document.activeElement !== search) search.value = filters.text;
      decided.checked = filters.decided;
      const all = columns.clips.length;
      count.textContent = `${clips.count.toLocaleString("en")} of ${all.toLocaleString("en")} clips`;
      clear.hidden = !filters.any && !filters.extra.length && !filters.sort;
      showRanges(ranges, columns, filters);
    });
    return element("div", { class: "controls" },
      element("div", { class: "fields" }, search, selects.map((one) => one.element), add,
        element("label", { class: "check" }, decided, " decided by people")),
      ranges, element("div", { class: "fields" }, count, clear));
  }

  function choice(column, filters) {
    const options = column.choices.map((name) => element("option", { value: name }, name || "–"));
    const select = element("select", { "aria-label": column.label,
      onchange: () => filters.update(() => {
        if (select.selectedIndex) filters.is.set(column.name, select.value);
        else filters.is.delete(column.name);
      }) }, element("option", { value: "" }, `${column.label}: all`), options);
    filters.listen(() => {
      const wanted = column.choices.indexOf(filters.is.get(column.name));
      select.selectedIndex = wanted + 1;
      select.classList.toggle("on", wanted >= 0);
    });
    return { element: select };
  }

  function adder(columns, filters) {
    const hidden = columns.all.filter((column) => !columns.shown.includes(column.name));
    const options = hidden.map((column) => element("option", { value: column.name },
      column.about ? `${columns.heading(column)}: ${column.about}` : columns.heading(column)));
    const select = element("select", { class: "adder", "aria-label": "Add a column",
      onchange: () => {
        const name = select.value;
        select.selectedIndex = 0;
        filters.update(() => { if (!filters.extra.includes(name)) filters.extra.push(name); });
      } }, element("option", { value: "" }, "Add a column …"), options);
    return select;
  }

  /** A field for each end of the range of every column that was added; they stay while they can. */
  function showRanges(place, columns, filters) {
    const names = [...new Set([...filters.range.keys(), ...filters.extra])];
    const kept = new Map([...place.children].map((one) => [one.dataset.name, one]));
    const wanted = names.map((name) => kept.get(name) ?? range(columns.byName.get(name), filters));
    if (wanted.length !== kept.size || wanted.some((one, k) => one !== place.children[k])) {
      place.replaceChildren(...wanted);
    }
    for (const one of wanted) {
      const ends = filters.range.get(one.dataset.name) ?? [null, null];
      one.querySelectorAll("input").forEach((input, k) => {
        if (document.activeElement !== input) input.value = ends[k] ?? "";
      });
    }
  }

  /** Two fields for the least and the largest value, and the way to put the column away. */
  function range(column, filters) {
    const end = (kind) => {
      const input = element("input", { type: "number", step: "any", placeholder: kind,
        "aria-label": `${column.label}, ${kind}`,
        onchange: () => filters.update(() => filters.bound(column.name, kind, input.value)) });
      return input;
    };
    const away = element("button", { type: "button", "aria-label": `Without ${column.label}`,
      onclick: () => filters.update(() => {
        filters.range.delete(column.name);
        filters.extra = filters.extra.filter((name) => name !== column.name);
        if (filters.sort?.name === column.name) filters.sort = null;
      }) }, "×");
    const fields = column.kind === "number" ? [end("min"), " to ", end("max")] : [];
    const unit = column.unit ? ` ${column.unit} ` : " ";
    return element("span", { class: "range", "data-name": column.name }, `${column.label} `, fields,
      unit, away);
  }
})();
