// What a side shows at one step: the state, and what came and went since the step before.

const PARTS = ["reservations", "processes", "contexts", "kernel_mappings", "claims", "ram_types"];

// The parts of the state at a step; 0 is the start, the last one the end.
function stateOf(side, at) {
  const numbers =
    at === 0 ? side.start : at <= side.steps.length ? side.steps[at - 1].state : side.end.state;
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
  return items.concat(
    left.filter((each) => each !== null).map((each) => ({ ...JSON.parse(each), fate: "gone" })),
  );
}

// The same for contexts, which live on under their number while their holders change.
function contextsCompared(before, now) {
  const known = new Map(before.map((item) => [item.id, item]));
  const items = now.map((item) => {
    const old = known.get(item.id);
    known.delete(item.id);
    return {
      ...item,
      had: old ? old.refs : item.refs,
      fate: !old ? "new" : old.refs === item.refs ? "" : "changed",
    };
  });
  return items.concat(
    [...known.values()].map((item) => ({ ...item, had: item.refs, fate: "gone" })),
  );
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
  const broken =
    at === 0 ? [] : at <= side.steps.length ? side.steps[at - 1].broken : side.end.broken;
  return {
    now,
    before,
    broken,
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
