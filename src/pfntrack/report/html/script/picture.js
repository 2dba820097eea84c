// One moment of one side: lanes of processes, the strip of physical pages, what joins them.

const EM = 11;
const LANE = 52;
const BETWEEN = 10;
const RIBBON = 40;
const ROW = 22;
const PARTS = ["reservations", "processes", "contexts", "kernel_mappings", "claims", "ram_types"];

// The parts of the state at a step; 0 is the start, the last one the end.
function stateOf(side, at) {
  const numbers = at === 0 ? side.start
    : at <= side.steps.length ? side.steps[at - 1].state : side.end.state;
  return Object.fromEntries(PARTS.map((part, number) => [part, data.pool[numbers[number]]]));
}

function place(story, start, end) {
  const window = story.windows.find((each) => each.start <= start && end <= each.end);
  if (window) return `${window.name}[${start - window.start},${end - window.start})`;
  return `[${hex(start * 4096)},${hex(end * 4096)})`;
}

// Items that came, stayed and went between two lists; equal items are counted.
function compared(before, now) {
  const left = before.map((item) => JSON.stringify(item));
  const items = now.map((item) => {
    const at = left.indexOf(JSON.stringify(item));
    if (at < 0) return { ...item, fate: "new" };
    left[at] = null;
    return { ...item, fate: "" };
  });
  return items.concat(left.filter((each) => each !== null)
    .map((each) => ({ ...JSON.parse(each), fate: "gone" })));
}

// The same for contexts, which live on under their number while their holders change.
function contextsCompared(before, now) {
  const known = new Map(before.map((item) => [item.id, item]));
  const items = now.map((item) => {
    const old = known.get(item.id);
    known.delete(item.id);
    return { ...item, had: old ? old.refs : item.refs, fate: !old ? "new" : old.refs === item.refs ? "" : "changed" };
  });
  return items.concat([...known.values()].map((item) => ({ ...item, had: item.refs, fate: "gone" })));
}

// Rows in which no two items overlap, in the order of the items.
function packed(items) {
  const rows = [];
  for (const item of items) {
    let row = rows.find((each) => each.every((o) => item.end <= o.start || o.end <= item.start));
    if (!row) rows.push((row = []));
    row.push(item);
  }
  return rows;
}

// All that the picture of a side shows at a step, in rows.
function moment(story, side, at, all) {
  const now = stateOf(side, at);
  const before = at ? stateOf(side, at - 1) : now;
  const cells = story.physical[all ? "all" : "active"];
  const drawn = (item) =>
    cells.some((each) => each[0][0] <= item.start && item.end <= each.at(-1)[1]);
  const rows = (part) => packed(compared(before[part], now[part]).filter(drawn));
  const broken = at === 0 ? [] : at <= side.steps.length ? side.steps[at - 1].broken : side.end.broken;
  return {
    now, before, broken,
    marks: packed(broken.filter((each) => each.start < each.end && drawn(each))),
    reservations: rows("reservations"),
    contexts: packed(contextsCompared(before.contexts, now.contexts).filter(drawn)),
    kernel: rows("kernel_mappings"),
    ram: rows("ram_types"),
    claims: rows("claims"),
  };
}

const STRIP = ["marks", "reservations", "contexts", "kernel", "ram", "claims"];

// How many rows each part needs at the fullest step of any side, so that nothing jumps.
function roominess(story, all) {
  const most = Object.fromEntries(STRIP.map((part) => [part, 0]));
  for (const side of story.sides) {
    for (let at = 0; at <= side.steps.length + 1; at++) {
      const seen = moment(story, side, at, all);
      for (const part of STRIP) most[part] = Math.max(most[part], seen[part].length);
    }
  }
  most.reservations = Math.max(1, most.reservations);
  return most;
}

function peopleOf(story) {
  const names = [];
  for (const side of story.sides) {
    for (let at = 0; at <= side.steps.length + 1; at++) {
      for (const process of stateOf(side, at).processes) {
        if (!names.includes(process.name)) names.push(process.name);
      }
    }
  }
  return names;
}

function picture(story, side, at, width, options) {
  const seen = moment(story, side, at, options.all);
  const gutter = width < 460 ? 60 : 66;
  const span = [gutter, width - 10];
  const phys = new Axis(story.physical[options.all ? "all" : "active"], ...span, 4, 150);
  const virt = new Axis(story.virtual, ...span, 4, 150);
  const edge = Math.max(phys.to, virt.to) + 6;
  const full = Math.ceil(edge + 4);
  const above = options.people.filter((_, number) => number % 2 === 0).reverse();
  const below = options.people.filter((_, number) => number % 2 === 1);
  const layers = { ribbons: s("g"), boxes: s("g"), texts: s("g") };
  const text = (x, y, content, classes, more) =>
    layers.texts.append(s("text", { x, y, class: classes || "", ...more }, content));
  const label = (y, content) => text(gutter - 8, y, content, "label end");

  let y = 4;
  if (story.virtual.length && above.length) {
    y = ruler(virt, y, "virtual", String, (line) => layers.texts.append(line), gutter, "virtual");
  }
  const lanes = [];
  for (const name of above) {
    lanes.push({ name, y, up: true });
    y += LANE + BETWEEN;
  }
  y -= above.length ? BETWEEN : 0;
  const top = y + RIBBON;
  y = top + 4;
  const places = {};
  const heights = { marks: 18, reservations: ROW, contexts: 20, kernel: 20, ram: 20, claims: 18 };
  const part = (name) => {
    places[name] = y;
    y += options.rows[name] * heights[name];
  };
  part("marks");
  part("reservations");
  const rule = y;
  const nameOf = (page) => {
    const window = story.windows.find((each) => each.start <= page && page < each.end);
    return window ? String(page - window.start) : hex(page * 4096);
  };
  y = ruler(phys, y, "physical", nameOf, (line) => layers.texts.append(line), gutter, "pages");
  for (const island of phys.islands) {
    const window = story.windows.find((each) => each.start <= island.start && island.start < each.end);
    if (!window) continue;
    const address = hex(island.start * 4096);
    text(island.x, y + 9, fitting([`${window.name} ${address}`, window.name], island.width, EM), "faint");
  }
  y += 14;
  for (const name of ["contexts", "kernel", "ram", "claims"]) part(name);
  const bottom = y + 3;
  layers.boxes.append(s("rect", { x: gutter - 2, y: top, width: edge - gutter + 2,
                                  height: bottom - top, rx: 4, class: "panel" }));
  for (const x of phys.borders()) {
    layers.boxes.append(s("path", { d: `M${x},${top + 2} V${rule}`, class: "grid" }));
  }
  for (const gap of phys.gaps) {
    const middle = gap.x + gap.width / 2;
    layers.boxes.append(s("path", { class: "gap",
      d: `M${middle - 3},${top} l3,${(bottom - top) / 2} l-3,${(bottom - top) / 2}` +
         ` M${middle + 3},${top} l3,${(bottom - top) / 2} l-3,${(bottom - top) / 2}` },
      s("title", null, `${plural(gap.pages, "page")} not drawn`)));
  }
  y = bottom + (below.length ? RIBBON : 0);
  for (const name of below) {
    lanes.push({ name, y, up: false });
    y += LANE + BETWEEN;
  }

  const titles = { reservations: "reserved", contexts: "contexts", kernel: "kernel",
                   ram: "RAM type", claims: "claimed", marks: "broken" };
  const bars = (name, make) => {
    if (options.rows[name]) label(places[name] + heights[name] / 2 + 4, titles[name]);
    seen[name].forEach((row, number) => row.forEach((item) => {
      const [x, wide] = phys.span(item.start, item.end);
      make(item, { x: x + 0.5, y: places[name] + number * heights[name] + 1,
                   width: Math.max(1, wide - 1), height: heights[name] - 3, rx: 3 });
    }));
  };
  const bar = (box, item, texts, hint) => {
    const fate = item.fate || "";
    const group = s("g", { class: `bar ${fate}` }, s("title", null, hint));
    if (item.type && fate !== "gone") group.append(...typed(item.type, box));
    group.append(s("rect", { ...box, class: "edge" }));
    const sign = fate === "new" ? "+ " : fate === "gone" ? "− " : "";
    group.append(plate(box, fitting(texts.map((each) => sign + each), box.width - 6, EM)));
    layers.boxes.append(group);
  };
  const where = (item) => place(story, item.start, item.end);
  bars("marks", (item, box) => {
    layers.boxes.append(s("g", { class: "mark" + (item.new ? " new" : "") },
      s("title", null, `${item.property}: ${item.reason}`),
      s("rect", { ...box, class: "edge" }),
      s("text", { x: box.x + box.width / 2, y: box.y + box.height / 2 + 4, class: "middle" },
        fitting([`✗ ${item.property}`, item.property, "✗"], box.width, EM))));
  });
  bars("reservations", (item, box) =>
    bar(box, item, [`${where(item)} ${item.type}`, item.type], `reserved ${where(item)} ${item.type}`));
  bars("contexts", (item, box) =>
    bar(box, item, [`context ${item.id}: ${item.had === item.refs ? "" : `${item.had} → `}${plural(item.refs, "VMA")}`,
                    `ctx ${item.id} ×${item.refs}`, `×${item.refs}`],
      `tracking context ${item.id} for ${where(item)}, held by ${plural(item.refs, "VMA")}`));
  bars("kernel", (item, box) =>
    bar(box, item, [`${item.mapped ? "ioremap " : ""}${item.owner} ${item.type}`, item.type],
      `${item.mapped ? "ioremap" : "reserved by the kernel"}: ${item.owner} ${where(item)} ${item.type}`));
  bars("ram", (item, box) => bar(box, item, [`RAM as ${item.type}`, item.type], `RAM ${where(item)} has type ${item.type}`));
  bars("claims", (item, box) => bar(box, item, [`by ${item.owner}`, item.owner], `${where(item)} claimed by ${item.owner}`));

  for (const lane of lanes) {
    drawLane({ story, seen, lane, virt, phys, gutter, wide: edge, layers, text, edge: lane.up ? top : bottom });
  }
  return s("svg", { class: "picture", width: full, height: Math.ceil(y + 4),
                    viewBox: `0 0 ${full} ${Math.ceil(y + 4)}`, role: "img",
                    "aria-label": options.label },
    layers.ribbons, layers.boxes, layers.texts);
}

// A text in the middle of a box, readable on any pattern.
function plate(box, content) {
  if (!content) return s("g");
  const wide = columns(content) * EM * 0.61 + 4;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return s("g", null,
    s("rect", { x: x - wide / 2, y: y - 6.5, width: wide, height: 13, rx: 2, class: "plate" }),
    s("text", { x, y: y + 4, class: "middle" }, content));
}

function ruler(axis, y, classes, name, add, gutter, title) {
  add(s("text", { x: gutter - 8, y: y + 11, class: "label end" }, title));
  for (const [x, content] of axis.ticks(EM, name)) {
    add(s("text", { x: x + 2, y: y + 11, class: `tick ${classes}` }, content));
    add(s("path", { d: `M${x},${y + 1} v12`, class: "grid strong" }));
  }
  return y + 16;
}

// A process: its VMAs, the entries in them, and ribbons from entries to physical pages.
function drawLane({ story, seen, lane, virt, phys, gutter, wide: across, layers, text, edge }) {
  const process = seen.now.processes.find((each) => each.name === lane.name);
  const old = seen.before.processes.find((each) => each.name === lane.name);
  const inner = lane.up ? lane.y + 25 : lane.y + 3;
  layers.boxes.append(s("rect", { x: gutter - 2, y: lane.y, width: across - gutter + 2,
                                  height: LANE - 4, rx: 4, class: "panel lane" }));
  const name = fitting([lane.name, [...lane.name].slice(0, 5).join("") + "…"], gutter - 12, EM + 2);
  text(gutter - 8, lane.y + 20, name, "end name", process ? {} : { "fill-opacity": 0.45 });
  text(gutter - 8, lane.y + 34, process ? (process.pid ? `pid ${process.pid}` : "") : "not alive", "label end");
  if (!process) return;
  const vmas = compared(old ? old.vmas : [], process.vmas);
  for (const vma of vmas) {
    if (vma.fate === "gone" && vmas.some((o) => o.fate !== "gone" && o.start < vma.end && vma.start < o.end)) continue;
    const [x, wide] = virt.span(vma.start, vma.end);
    const box = { x: x + 0.5, y: lane.y + 1.5, width: Math.max(1, wide - 1), height: LANE - 7, rx: 4 };
    const file = vma.file.split("/").pop() || "anonymous";
    const held = !vma.tracked ? "untracked" : vma.context === null ? "tracked" : `tracked by context ${vma.context}`;
    const short = !vma.tracked ? "–" : vma.context === null ? "T" : `c${vma.context}`;
    const group = s("g", { class: `vma ${vma.tracked ? "tracked" : "untracked"} ${vma.fate}` },
      s("title", null, `${lane.name} [${vma.start},${vma.end}) ${vma.perm} ${vma.file || "anonymous"}, ${held}, flags ${vma.flags}`),
      s("rect", box));
    const line = lane.up ? lane.y + 16 : lane.y + LANE - 12;
    const texts = vma.fate === "gone" ? ["− unmapped", "−"]
      : [`${file} ${vma.perm} ${held}`, `${vma.perm} ${held}`, held, vma.tracked ? short : "untracked", short];
    group.append(s("text", { x: x + 6, y: line }, fitting(texts, wide - 8, EM)));
    layers.boxes.append(group);
    if (vma.fate === "gone") continue;
    for (const entry of vma.entries) drawEntry(entry);
  }
  drawHoles();

  function drawEntry(entry) {
    const [x, wide] = virt.span(entry.start, entry.end);
    const box = { x: x + 1.5, y: inner, width: Math.max(1, wide - 3), height: 20, rx: 2 };
    const pages = entry.end - entry.start;
    const copy = entry.pfn === null;
    const target = copy ? "a copy in RAM" : place(story, entry.pfn, entry.pfn + pages);
    const extra = (entry.write ? "" : " ro") + (entry.huge ? " huge" : "") + (entry.hidden ? " none" : "");
    const hint = `${lane.name} [${entry.start},${entry.end}) → ${target} ${entry.type}` +
      (entry.write ? "" : ", read-only") + (entry.huge ? ", huge" : "") + (entry.hidden ? ", PROT_NONE" : "");
    const group = s("g", { class: "entry" + (copy ? " copy" : "") + (entry.hidden ? " hidden" : "") }, s("title", null, hint));
    if (!copy) group.append(...typed(entry.type, box));
    group.append(s("rect", { ...box, class: "edge" }));
    const texts = copy ? ["RAM copy" + extra, "copy", "c"]
      : [`→ ${target} ${entry.type}${extra}`, `${entry.type}${extra}`, entry.type];
    group.append(plate(box, fitting(texts, box.width - 2, EM)));
    layers.boxes.append(group);
    for (const border of virt.borders().filter((each) => x < each && each < x + wide)) {
      layers.boxes.append(s("path", { d: `M${border},${inner + 20} v-4`, class: "grid strong" }));
    }
    if (copy || !phys.has(entry.pfn, entry.pfn + pages)) return;
    const [to, broad] = phys.span(entry.pfn, entry.pfn + pages);
    const from = lane.up ? inner + 20 : inner;
    const half = (from + edge) / 2;
    const [a, b, c, d] = [box.x, box.x + box.width, to + 1, to + broad - 1];
    layers.ribbons.append(s("path", {
      class: `ribbon ${TYPES[entry.type]} ${entry.hidden ? "hidden" : ""}`,
      d: `M${a},${from} C${a},${half} ${c},${half} ${c},${edge} H${d} C${d},${half} ${b},${half} ${b},${from} Z` },
      s("title", null, hint)));
  }

  // Pages that were mapped one step ago and are not now.
  function drawHoles() {
    const present = (list) => list.flatMap((vma) => vma.entries.map((e) => [e.start, e.end]));
    const now = present(process.vmas);
    const alive = process.vmas.map((vma) => [vma.start, vma.end]);
    for (const [start, end] of old ? present(old.vmas) : []) {
      for (const [from, to] of without([start, end], now)) {
        if (!alive.some((each) => each[0] <= from && to <= each[1])) continue;
        const [x, wide] = virt.span(from, to);
        layers.boxes.append(s("g", { class: "bar gone" },
          s("title", null, `[${from},${to}) is no longer mapped`),
          s("rect", { x: x + 1.5, y: inner, width: Math.max(1, wide - 3), height: 20, rx: 2, class: "edge" }),
          s("text", { x: x + wide / 2, y: inner + 14, class: "middle" }, fitting(["− zapped", "−"], wide - 4, EM))));
      }
    }
  }
}

// The parts of a range that no other range covers.
function without([start, end], others) {
  let left = [[start, end]];
  for (const [from, to] of others) {
    left = left.flatMap(([a, b]) => [[a, Math.min(b, from)], [Math.max(a, to), b]].filter(([c, d]) => c < d));
  }
  return left;
}
