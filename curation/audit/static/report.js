"use strict";

// What the pages of a report share: data that comes as scripts, and elements made of text.
const relickit = (() => {
  const contents = new Map(); // name -> what its script put there
  const loads = new Map(); // name -> promise of it

  /** Called by a data script: this is the content of that name. */
  function put(name, content) {
    contents.set(name, content);
  }

  /** A promise of the content of data/<name>.js; the script runs once. */
  function load(name) {
    if (!loads.has(name)) {
      loads.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = "data/" + name.split("/").map(encodeURIComponent).join("/") + ".js";
        script.onload = () => {
          script.remove();
          if (contents.has(name)) resolve(contents.get(name));
          else reject(new Error(`${script.src} holds no ${name}`));
        };
        script.onerror = () => {
          script.remove();
          loads.delete(name);
          reject(new Error(`data/${name}.js is not in this report`));
        };
        document.head.append(script);
      }));
    }
    return loads.get(name);
  }

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : String(value));
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
  }

  /** An HTML element; text children stay text, an attribute `onclick` is a function. */
  function element(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
  }

  /** The same for SVG. */
  function drawing(tag, attributes, ...children) {
    return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  }

  /** A number as people read it: three digits, thousands apart, a dash if it is unknown. */
  function number(value) {
    if (typeof value !== "number" || !Number.isFinite(value)) return "–";
    if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
    return String(Number(value.toPrecision(3)));
  }

  return { put, load, element, drawing, number };
})();
