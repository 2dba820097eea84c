// Two calls that overlap, as two lanes: their parts in order, locks as bars beside them.

const SIDES = ["left", "right"];

function partsOf(side, at) {
  return (at >= 1 && side.steps[at - 1] && side.steps[at - 1].parts) || [];
}

function partWords(part) {
  const told = part.what.startsWith("of ")
    ? `${part.function} ${part.what}`
    : part.function
      ? `${part.function}: ${part.what}`
      : part.what;
  return part.result === null ? told : `${told} → ${part.result}`;
}

// The locks behind a part in words, and whether a TLB is stale.
function heldWords(part) {
  const words = SIDES.flatMap((name, call) => {
    const locks = part.held.filter((held) => held.call === call).map((held) => held.lock);
    return locks.length ? [`${name} ${locks.join(", ")}`] : [];
  });
  return [...words, ...(part.stale ? ["a TLB is stale"] : [])].join("; ") || "none";
}

function partSaid(parts, number) {
  const part = parts[number - 1];
  const broken = part.broken.map((each) => each.property);
  return (
    `Part ${number} of ${parts.length}, ${SIDES[part.call]}: ${partWords(part)}. ` +
    `Locks held: ${heldWords(part)}.` +
    (broken.length ? ` Breaks ${[...new Set(broken)].join(", ")}.` : "")
  );
}

// Half-open stretches of parts behind which something holds.
function stretches(parts, holds) {
  const found = [];
  parts.forEach((part, at) => {
    if (!holds(part)) return;
    const last = found.at(-1);
    if (last && last[1] === at) last[1] = at + 1;
    else found.push([at, at + 1]);
  });
  return found;
}

// An element in its cell; a policy that forbids style attributes allows this.
function cell(node, column, row, end) {
  node.style.gridColumn = column;
  node.style.gridRow = end ? `${row} / ${end}` : row;
  return node;
}

function bars(parts, column, holds, label, classes) {
  return stretches(parts, holds).map(([from, to]) =>
    cell(
      h(
        "span",
        { class: `hold ${classes}`, title: label },
        to - from > 1 ? h("span", null, own(label)) : null,
      ),
      column,
      from + 2,
      to + 2,
    ),
  );
}

// Locks that any part of a call leaves held, each with a column of its own.
function locksOf(parts, call) {
  return [
    ...new Set(
      parts.flatMap((part) =>
        part.held.filter((held) => held.call === call).map((held) => held.lock),
      ),
    ),
  ];
}

function lanes(explorer, side, at) {
  const parts = partsOf(side, at);
  if (!parts.length) return null;
  const heads = side.steps[at - 1].sides || SIDES;
  const locks = SIDES.map((_, call) => locksOf(parts, call));
  const [mine, tlb, other] = [
    locks[0].length + 1,
    locks[0].length + 2,
    locks[0].length + 3,
  ];
  const boxes = parts.map((part, index) => {
    const number = index + 1;
    const broken = part.broken.map((each) =>
      h("span", { class: "breaks" }, `✗ `, own(`${each.property}: ${each.reason}`)),
    );
    const here = number === explorer.part;
    const classes = ["part", SIDES[part.call], broken.length && "bad", here && "here"];
    const late = explorer.part && number > explorer.part ? "late" : "";
    return cell(
      h(
        "button",
        {
          type: "button",
          class: [...classes, late].filter(Boolean).join(" "),
          "aria-current": here ? "step" : null,
          "aria-label": partSaid(parts, number),
          onclick: () => {
            explorer.stop();
            explorer.toPart(here ? 0 : number, side);
          },
        },
        h("span", { class: "nth" }, number),
        h("span", { class: "told" }, own(partWords(part))),
        part.log.map((line) => h("span", { class: "logged" }, own(line))),
        broken,
      ),
      part.call ? other : mine,
      number + 1,
    );
  });
  const grid = h(
    "div",
    { class: "lanes-grid" },
    heads.map((text, call) =>
      cell(h("div", { class: `lane-head ${SIDES[call]}` }, own(text)), call ? other : mine, 1),
    ),
    locks.map((names, call) =>
      names.map((name, number) =>
        bars(
          parts,
          call ? other + 1 + number : names.length - number,
          (part) => part.held.some((held) => held.call === call && held.lock === name),
          name,
          SIDES[call],
        ),
      ),
    ),
    bars(parts, tlb, (part) => part.stale, "TLB stale", "stale"),
    boxes,
  );
  const bar = (names) => (names.length ? `repeat(${names.length}, 1.15rem) ` : "");
  grid.style.gridTemplateColumns =
    `${bar(locks[0])}minmax(0, 1fr) 1.15rem minmax(0, 1fr) ${bar(locks[1])}`.trim();
  const now = explorer.part ? partSaid(parts, explorer.part) : "";
  return h(
    "section",
    { class: "lanes", "aria-label": "schedule of the two calls" },
    h("h4", null, "Schedule"),
    h(
      "p",
      { class: "held" },
      now ? own(now) : `${parts.length} parts; ▶ (right arrow) goes through them one by one.`,
    ),
    grid,
  );
}
