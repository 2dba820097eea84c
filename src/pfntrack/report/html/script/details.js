// What stands beside a picture in words: result, changes, lamps, reasons, log, lists.

function wordsOf(story, part, item) {
  const where = place(story, item.start, item.end);
  switch (part) {
    case "reservations":
      return `reserved ${where} ${item.type}`;
    case "contexts":
      return `context ${item.id}: ${where}, held by ${plural(item.refs, "VMA")}`;
    case "kernel_mappings":
      return `${item.mapped ? "ioremap" : "kernel holds"} ${item.owner}: ${where} ${item.type}`;
    case "claims":
      return `claimed ${where} by ${item.owner}`;
    default:
      return `RAM ${where} is ${item.type}`;
  }
}

function vmaWords(name, vma) {
  const held = vma.tracked
    ? vma.context === null
      ? "tracked"
      : `tracked by context ${vma.context}`
    : "untracked";
  return `${name}[${vma.start},${vma.end}) ${vma.perm} ${vma.file || "anonymous"}, ${held}`;
}

function entryWords(story, name, entry) {
  const target =
    entry.pfn === null
      ? "a copy in RAM"
      : place(story, entry.pfn, entry.pfn + entry.end - entry.start);
  return (
    `${name}[${entry.start},${entry.end}) → ${target} ${entry.type}` +
    (entry.write ? "" : " read-only") +
    (entry.huge ? " huge" : "") +
    (entry.hidden ? " PROT_NONE" : "")
  );
}

// A state as groups of lines, the same words as in the text report.
function linesOf(story, state) {
  const groups = {
    reservations: state.reservations.map((item) => wordsOf(story, "reservations", item)),
  };
  groups.mappings = state.processes.flatMap((p) => p.vmas.map((vma) => vmaWords(p.name, vma)));
  groups.entries = state.processes.flatMap((p) =>
    joined(p.vmas.flatMap((vma) => vma.entries)).map((entry) => entryWords(story, p.name, entry)),
  );
  for (const part of ["contexts", "kernel_mappings", "claims", "ram_types"]) {
    groups[part] = state[part].map((item) => wordsOf(story, part, item));
  }
  return groups;
}

// Runs that continue each other are one, so that a split alone shows nothing.
function joined(entries) {
  const found = [];
  for (const entry of entries) {
    const last = found.at(-1);
    const follows =
      last &&
      last.end === entry.start &&
      last.type === entry.type &&
      last.write === entry.write &&
      last.huge === entry.huge &&
      last.hidden === entry.hidden &&
      (entry.pfn === null
        ? last.pfn === null
        : last.pfn !== null && last.pfn + last.end - last.start === entry.pfn);
    if (follows) last.end = entry.end;
    else found.push({ ...entry });
  }
  return found;
}

function changes(story, before, now) {
  const [old, fresh] = [linesOf(story, before), linesOf(story, now)];
  return Object.keys(fresh).flatMap((group) => {
    const gone = [...old[group]];
    const come = fresh[group].filter((line) => {
      const at = gone.indexOf(line);
      if (at >= 0) gone.splice(at, 1);
      return at < 0;
    });
    return [...gone.map((line) => ["−", line]), ...come.map((line) => ["+", line])];
  });
}

// `no leak` of `no leak: a range that nothing maps is not reserved`; empty where there is none.
function shortName(text) {
  const [short, rest] = text.split(": ", 2);
  return rest && short.length <= 24 ? short : "";
}

function lamps(story, side, at, broken) {
  const last = at === side.steps.length + 1;
  return h(
    "ul",
    { class: "lamps", "aria-label": "properties" },
    Object.keys(story.properties).map((name) => {
      const here = broken.filter((each) => each.property === name);
      const fresh = here.some((each) => each.new);
      const judged = side.source === "model" ? !last || name === "I1" : last && name === "I1";
      const [kind, sign, word] = here.length
        ? fresh
          ? ["bad", "✗", "broken by this step"]
          : ["still", "✗", "still broken"]
        : judged
          ? ["good", "✓", "holds"]
          : ["dark", "·", "not judged here"];
      return h(
        "li",
        { class: kind, title: `${name}: ${story.properties[name]}: ${word}` },
        h("span", { "aria-hidden": "true" }, sign),
        " ",
        own(name),
        shortName(story.properties[name])
          ? h("span", { class: "short" }, " ", own(shortName(story.properties[name])))
          : null,
        h("span", { class: "unseen" }, ` ${word}`),
      );
    }),
  );
}

function list(title, lines, classes) {
  if (!lines.length) return null;
  return h(
    "div",
    { class: `block ${classes || ""}` },
    h("h4", null, title),
    h(
      "ul",
      null,
      lines.map((line) => h("li", null, line)),
    ),
  );
}

function details(story, side, at) {
  const seen = moment(story, side, at, true);
  const step = at >= 1 && at <= side.steps.length ? side.steps[at - 1] : null;
  const claims = step ? step.claims : at ? side.end.claims : [];
  const unmet = claims.filter((claim) => !claim.holds);
  const log = step ? step.log : [];
  const where = (broken) =>
    broken.start < broken.end ? `${place(story, broken.start, broken.end)}: ` : "";
  const sentence = (broken) => [
    h("b", null, own(broken.property)),
    broken.new ? "" : " still",
    ": ",
    own(where(broken) + broken.reason),
  ];
  const lines = linesOf(story, seen.now);
  return [
    lamps(story, side, at, seen.broken),
    list("Broken", seen.broken.map(sentence), "bad"),
    list("Asked and got", step ? step.notes.map(own) : [], "marked"),
    list(
      "Expectations not met",
      unmet.map((claim) => [own(claim.claim), claim.found ? [": found ", own(claim.found)] : ""]),
      "bad",
    ),
    list(
      "Changed",
      at
        ? changes(story, seen.before, seen.now).map(([sign, line]) => [
            h("span", { class: sign === "+" ? "came" : "went" }, sign),
            " ",
            own(line),
          ])
        : [],
      "marked",
    ),
    list("Why", step ? step.why.map(own) : []),
    log.length
      ? h(
          "div",
          { class: "block" },
          h("h4", null, "Kernel log"),
          h(
            "ol",
            { class: "log", tabindex: 0, "aria-label": "kernel log" },
            log.map((line) =>
              h(
                "li",
                { class: line.debug ? "debug" : line.level <= 4 ? "loud" : "" },
                own(line.text),
                line.debug ? h("small", null, " debugpat only") : null,
              ),
            ),
          ),
        )
      : null,
    fold("Calls of the tracking code", step ? step.calls : []),
    fold(
      "The whole state",
      Object.entries(lines).flatMap(([group, each]) => each),
    ),
    claims.length
      ? fold(
          `Expectations: ${claims.length - unmet.length} of ${claims.length} hold`,
          claims.map((claim) => `${claim.holds ? "✓" : "✗"} ${claim.claim}`),
        )
      : null,
  ];
}

function fold(title, lines) {
  if (!lines.length) return null;
  return h(
    "details",
    { class: "fold", "data-fold": title.split(":")[0] },
    h("summary", null, title, title.includes(":") ? "" : ` (${lines.length})`),
    h(
      "ol",
      { class: "log", tabindex: 0, "aria-label": title },
      lines.map((line) => h("li", null, own(line))),
    ),
  );
}
