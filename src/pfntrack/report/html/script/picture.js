// One moment of one side: lanes of processes, the strip of physical pages, what joins them.

const BETWEEN = 10;
const RIBBON = 40;
const ROW = 22;

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
    const window = story.windows.find(
      (each) => each.start <= island.start && island.start < each.end,
    );
    if (!window) continue;
    const address = hex(island.start * 4096);
    text(
      island.x,
      y + 9,
      fitting([`${window.name} ${address}`, window.name], island.width, EM),
      "faint",
    );
  }
  y += 14;
  for (const name of ["contexts", "kernel", "ram", "claims"]) part(name);
  const bottom = y + 3;
  layers.boxes.append(
    s("rect", {
      x: gutter - 2,
      y: top,
      width: edge - gutter + 2,
      height: bottom - top,
      rx: 4,
      class: "panel",
    }),
  );
  for (const x of phys.borders()) {
    layers.boxes.append(s("path", { d: `M${x},${top + 2} V${rule}`, class: "grid" }));
  }
  for (const gap of phys.gaps) {
    const middle = gap.x + gap.width / 2;
    layers.boxes.append(
      s(
        "path",
        {
          class: "gap",
          d:
            `M${middle - 3},${top} l3,${(bottom - top) / 2} l-3,${(bottom - top) / 2}` +
            ` M${middle + 3},${top} l3,${(bottom - top) / 2} l-3,${(bottom - top) / 2}`,
        },
        s("title", null, `${plural(gap.pages, "page")} not drawn`),
      ),
    );
  }
  y = bottom + (below.length ? RIBBON : 0);
  for (const name of below) {
    lanes.push({ name, y, up: false });
    y += LANE + BETWEEN;
  }

  const titles = {
    reservations: "reserved",
    contexts: "contexts",
    kernel: "kernel",
    ram: "RAM type",
    claims: "claimed",
    marks: "broken",
  };
  const bars = (name, make) => {
    if (options.rows[name]) label(places[name] + heights[name] / 2 + 4, titles[name]);
    seen[name].forEach((row, number) =>
      row.forEach((item) => {
        const [x, wide] = phys.span(item.start, item.end);
        make(item, {
          x: x + 0.5,
          y: places[name] + number * heights[name] + 1,
          width: Math.max(1, wide - 1),
          height: heights[name] - 3,
          rx: 3,
        });
      }),
    );
  };
  const bar = (box, item, texts, hint) => {
    const fate = item.fate || "";
    const group = s("g", { class: `bar ${fate}` }, s("title", null, hint));
    if (item.type && fate !== "gone") group.append(...typed(item.type, box));
    group.append(s("rect", { ...box, class: "edge" }));
    const sign = fate === "new" ? "+ " : fate === "gone" ? "− " : "";
    group.append(
      plate(
        box,
        fitting(
          texts.map((each) => sign + each),
          box.width - 6,
          EM,
        ),
      ),
    );
    layers.boxes.append(group);
  };
  const where = (item) => place(story, item.start, item.end);
  bars("marks", (item, box) => {
    layers.boxes.append(
      s(
        "g",
        { class: "mark" + (item.new ? " new" : "") },
        s("title", null, `${item.property}: ${item.reason}`),
        s("rect", { ...box, class: "edge" }),
        s(
          "text",
          { x: box.x + box.width / 2, y: box.y + box.height / 2 + 4, class: "middle" },
          fitting([`✗ ${item.property}`, item.property, "✗"], box.width, EM),
        ),
      ),
    );
  });
  bars("reservations", (item, box) =>
    bar(
      box,
      item,
      [`${where(item)} ${item.type}`, item.type],
      `reserved ${where(item)} ${item.type}`,
    ),
  );
  bars("contexts", (item, box) =>
    bar(
      box,
      item,
      [
        `context ${item.id}: ${item.had === item.refs ? "" : `${item.had} → `}${plural(item.refs, "VMA")}`,
        `ctx ${item.id} ×${item.refs}`,
        `×${item.refs}`,
      ],
      `tracking context ${item.id} for ${where(item)}, held by ${plural(item.refs, "VMA")}`,
    ),
  );
  bars("kernel", (item, box) =>
    bar(
      box,
      item,
      [`${item.mapped ? "ioremap " : ""}${item.owner} ${item.type}`, item.type],
      `${item.mapped ? "ioremap" : "reserved by the kernel"}: ${item.owner} ${where(item)} ${item.type}`,
    ),
  );
  bars("ram", (item, box) =>
    bar(box, item, [`RAM as ${item.type}`, item.type], `RAM ${where(item)} has type ${item.type}`),
  );
  bars("claims", (item, box) =>
    bar(box, item, [`by ${item.owner}`, item.owner], `${where(item)} claimed by ${item.owner}`),
  );

  for (const lane of lanes) {
    drawLane({
      story,
      seen,
      lane,
      virt,
      phys,
      gutter,
      wide: edge,
      layers,
      text,
      edge: lane.up ? top : bottom,
    });
  }
  return s(
    "svg",
    {
      class: "picture",
      width: full,
      height: Math.ceil(y + 4),
      viewBox: `0 0 ${full} ${Math.ceil(y + 4)}`,
      role: "img",
      "aria-label": options.label,
    },
    layers.ribbons,
    layers.boxes,
    layers.texts,
  );
}

function ruler(axis, y, classes, name, add, gutter, title) {
  add(s("text", { x: gutter - 8, y: y + 11, class: "label end" }, title));
  for (const [x, content] of axis.ticks(EM, name)) {
    add(s("text", { x: x + 2, y: y + 11, class: `tick ${classes}` }, content));
    add(s("path", { d: `M${x},${y + 1} v12`, class: "grid strong" }));
  }
  return y + 16;
}
