// Building blocks: every text from outside becomes a text node, never markup.

const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

const h = (tag, attributes, ...children) =>
  build(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) =>
  build(document.createElementNS(SVG, tag), attributes, children);

// A text from outside, kept from reordering what stands beside it.
const own = (text) => h("bdi", null, text);
const hex = (number) => "0x" + number.toString(16);
const plural = (count, one, many) => `${count} ${count === 1 ? one : many || one + "s"}`;
const TYPES = { WB: "wb", WC: "wc", "UC-": "ucm", UC: "uc", WT: "wt", WP: "wp" };
const NAMES = {
  WB: "write-back",
  WC: "write-combining",
  "UC-": "uncached-minus",
  UC: "uncached",
  WT: "write-through",
  WP: "write-protected",
};

// Name this place in the address; a page inside another one may have no address of its own.
function point(fragment) {
  try {
    history.replaceState(null, "", fragment);
  } catch {
    // The page works all the same, only without links to its steps.
  }
}

// Columns of a monospaced font that a text takes; wide scripts take two.
function columns(text) {
  let count = 0;
  for (const sign of text) count += sign.codePointAt(0) < 0x1100 ? 1 : 2;
  return count;
}

// The longest of the given texts that fits, the last one cut if it has to be.
function fitting(texts, width, em) {
  const room = Math.floor(width / (em * 0.61));
  for (const text of texts) if (columns(text) <= room) return text;
  const last = texts[texts.length - 1];
  return room >= 4 && columns(last) > 6 ? [...last].slice(0, room - 1).join("") + "…" : "";
}

const defs = () =>
  s(
    "svg",
    { class: "defs", width: 0, height: 0, "aria-hidden": "true", focusable: "false" },
    s(
      "defs",
      null,
      pattern("wc", 7, s("path", { d: "M-1,1 L1,-1 M0,7 L7,0 M6,8 L8,6" })),
      pattern(
        "ucm",
        6,
        s("circle", { cx: 1.5, cy: 1.5, r: 0.9 }),
        s("circle", { cx: 4.5, cy: 4.5, r: 0.9 }),
      ),
      pattern("uc", 7, s("path", { d: "M0,0 L7,7 M0,7 L7,0" })),
      pattern("wt", 5, s("path", { d: "M1.5,0 V5" })),
      pattern("wp", 5, s("path", { d: "M0,1.5 H5" })),
      pattern("wb", 8),
    ),
  );

function pattern(name, size, ...shapes) {
  return s(
    "pattern",
    { id: "pattern-" + name, width: size, height: size, patternUnits: "userSpaceOnUse" },
    shapes.map((shape) => build(shape, { class: "stroke" }, [])),
  );
}

// A box in the colour and the pattern of a memory type.
function typed(type, box, classes) {
  const name = TYPES[type];
  return [
    s("rect", { ...box, class: `fill ${name} ${classes || ""}` }),
    s("rect", { ...box, class: "over", fill: `url(#pattern-${name})` }),
  ];
}

function swatch(type) {
  return s(
    "svg",
    { class: "swatch", width: 22, height: 14, "aria-hidden": "true" },
    typed(type, { x: 0.5, y: 0.5, width: 21, height: 13, rx: 2 }),
  );
}

function legend(types) {
  return h(
    "ul",
    { class: "legend", "aria-label": "memory types" },
    Object.keys(TYPES)
      .filter((type) => types.has(type))
      .map((type) => h("li", null, swatch(type), h("b", null, type), " ", NAMES[type])),
  );
}
