"use strict";

// From one trajectory to the one before and after it, as the table of the report shows them.

/**
 * The trajectories in the order of the table, as it was filtered and sorted where the page was
 * opened: [{key, rows}]. One whose clips do not follow each other comes several times.
 */
async function stops(shown, decisions) {
  const columns = new Columns(await relickit.load("table"));
  const filters = new Filters(columns, decisions);
  await filters.read(shown);
  const found = [];
  for (const row of filters.rows()) {
    const key = columns.pages[row];
    if (!key) continue;
    if (found.at(-1)?.key === key) found.at(-1).rows.push(row);
    else found.push({ key, rows: [row] });
  }
  return { columns, filters, found };
}

/** Links to the trajectories before and after this one; nothing where the table is not there. */
async function neighbours(key, chosen, shown, decisions) {
  const { element } = relickit;
  let table;
  try {
    table = await stops(shown, decisions);
  } catch {
    return; // a page alone is shown all the same
  }
  const { columns, filters, found } = table;
  const same = (row) => columns.clips[row] === chosen;
  const exact = found.findIndex((stop) => stop.key === key && stop.rows.some(same));
  const here = exact >= 0 ? exact : found.findIndex((stop) => stop.key === key);
  if (here < 0 || found.length < 2) return;
  const link = (stop, rel, letter, text) => element("a", stop ? {
    rel, href: columns.address(stop.rows[0], filters), title: `${columns.clips[stop.rows[0]]} (${letter})`,
  } : { "aria-disabled": "true" }, text);
  const before = link(found[here - 1], "prev", "p", "← previous");
  const after = link(found[here + 1], "next", "n", "next →");
  document.getElementById("head").prepend(element("nav", { class: "way-on", "aria-label": "Trajectories" },
    before, element("span", {}, `${here + 1} of ${found.length}`), after));
  addEventListener("keydown", (event) => {
    const to = { p: before, n: after }[event.key];
    if (to?.hasAttribute("href") && !isTyping(event)) to.click();
  });
}
