// One process of a picture, and the geometry that it shares with the strip of pages.

const EM = 11;
const LANE = 52;

// A text in the middle of a box, readable on any pattern.
function plate(box, content) {
  if (!content) return s("g");
  const wide = columns(content) * EM * 0.61 + 4;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return s(
    "g",
    null,
    s("rect", { x: x - wide / 2, y: y - 6.5, width: wide, height: 13, rx: 2, class: "plate" }),
    s("text", { x, y: y + 4, class: "middle" }, content),
  );
}

// A process: its VMAs, the entries in them, and ribbons from entries to physical pages.
function drawLane({ story, seen, lane, virt, phys, gutter, wide: across, layers, text, edge }) {
  const process = seen.now.processes.find((each) => each.name === lane.name);
  const old = seen.before.processes.find((each) => each.name === lane.name);
  const inner = lane.up ? lane.y + 25 : lane.y + 3;
  layers.boxes.append(
    s("rect", {
      x: gutter - 2,
      y: lane.y,
      width: across - gutter + 2,
      height: LANE - 4,
      rx: 4,
      class: "panel lane",
    }),
  );
  const name = fitting([lane.name, [...lane.name].slice(0, 5).join("") + "…"], gutter - 12, EM + 2);
  text(gutter - 8, lane.y + 20, name, "end name", process ? {} : { "fill-opacity": 0.45 });
  text(
    gutter - 8,
    lane.y + 34,
    process ? (process.pid ? `pid ${process.pid}` : "") : "not alive",
    "label end",
  );
  if (!process) return;
  const vmas = compared(old ? old.vmas : [], process.vmas);
  for (const vma of vmas) {
    if (
      vma.fate === "gone" &&
      vmas.some((o) => o.fate !== "gone" && o.start < vma.end && vma.start < o.end)
    )
      continue;
    const [x, wide] = virt.span(vma.start, vma.end);
    const box = {
      x: x + 0.5,
      y: lane.y + 1.5,
      width: Math.max(1, wide - 1),
      height: LANE - 7,
      rx: 4,
    };
    const file = vma.file.split("/").pop() || "anonymous";
    const held = !vma.tracked
      ? "untracked"
      : vma.context === null
        ? "tracked"
        : `tracked by context ${vma.context}`;
    const short = !vma.tracked ? "–" : vma.context === null ? "T" : `c${vma.context}`;
    const group = s(
      "g",
      { class: `vma ${vma.tracked ? "tracked" : "untracked"} ${vma.fate}` },
      s(
        "title",
        null,
        `${lane.name} [${vma.start},${vma.end}) ${vma.perm} ${vma.file || "anonymous"}, ${held}, flags ${vma.flags}`,
      ),
      s("rect", box),
    );
    const line = lane.up ? lane.y + 16 : lane.y + LANE - 12;
    const texts =
      vma.fate === "gone"
        ? ["− unmapped", "−"]
        : [
            `${file} ${vma.perm} ${held}`,
            `${vma.perm} ${held}`,
            held,
            vma.tracked ? short : "untracked",
            short,
          ];
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
    const extra =
      (entry.write ? "" : " ro") + (entry.huge ? " huge" : "") + (entry.hidden ? " none" : "");
    const hint =
      `${lane.name} [${entry.start},${entry.end}) → ${target} ${entry.type}` +
      (entry.write ? "" : ", read-only") +
      (entry.huge ? ", huge" : "") +
      (entry.hidden ? ", PROT_NONE" : "");
    const group = s(
      "g",
      { class: "entry" + (copy ? " copy" : "") + (entry.hidden ? " hidden" : "") },
      s("title", null, hint),
    );
    if (!copy) group.append(...typed(entry.type, box));
    group.append(s("rect", { ...box, class: "edge" }));
    const texts = copy
      ? ["RAM copy" + extra, "copy", "c"]
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
    layers.ribbons.append(
      s(
        "path",
        {
          class: `ribbon ${TYPES[entry.type]} ${entry.hidden ? "hidden" : ""}`,
          d: `M${a},${from} C${a},${half} ${c},${half} ${c},${edge} H${d} C${d},${half} ${b},${half} ${b},${from} Z`,
        },
        s("title", null, hint),
      ),
    );
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
        layers.boxes.append(
          s(
            "g",
            { class: "bar gone" },
            s("title", null, `[${from},${to}) is no longer mapped`),
            s("rect", {
              x: x + 1.5,
              y: inner,
              width: Math.max(1, wide - 3),
              height: 20,
              rx: 2,
              class: "edge",
            }),
            s(
              "text",
              { x: x + wide / 2, y: inner + 14, class: "middle" },
              fitting(["− zapped", "−"], wide - 4, EM),
            ),
          ),
        );
      }
    }
  }
}

// The parts of a range that no other range covers.
function without([start, end], others) {
  let left = [[start, end]];
  for (const [from, to] of others) {
    left = left.flatMap(([a, b]) =>
      [
        [a, Math.min(b, from)],
        [Math.max(a, to), b],
      ].filter(([c, d]) => c < d),
    );
  }
  return left;
}
