// One side at one step: its head, the place of its picture, and its details.

// Which other sides show the same at this step.
function likeness({ story, at, fold }, number) {
  const same = story.sides.filter(
    (_, other) => other !== number && story.kind(other, at) === story.kind(number, at),
  );
  const groups = story.groups[at - 1];
  if (story.sides.length === 1 || (!groups && !(fold && same.length))) return null;
  if (same.length === story.sides.length - 1) return h("span", { class: "group" }, "all alike");
  const names = same.map((each) => story.nameOf(each)).join(", ");
  const colour = groups ? `group-${groups[number] % 6}` : "";
  return h("span", { class: `group ${colour}` }, names ? ["like ", own(names)] : "differs from all others");
}

function card(explorer, side, number) {
  const { story } = explorer;
  const at =
    explorer.at === story.last ? side.steps.length + 1 : Math.min(explorer.at, side.steps.length);
  const several = story.sides.length > 1;
  const frame = h("div", { class: "frame" });
  const failed = side.steps[at - 1] && side.steps[at - 1].failed && explorer.at < story.last;
  const node = h(
    "article",
    {
      class: "card" + (number === explorer.side ? " current" : ""),
      "data-side": number,
      "aria-label": story.nameOf(side),
    },
    h(
      "header",
      null,
      h(
        "h3",
        null,
        several
          ? h(
              "button",
              {
                type: "button",
                title: "name this side in the address",
                onclick: () => explorer.choose(number),
              },
              own(story.nameOf(side)),
            )
          : own(story.nameOf(side)),
      ),
      h("span", { class: "design" }, own(side.design)),
      side.source === "kernel" ? h("span", { class: "design" }, "observed") : null,
      likeness(explorer, number),
      story.result(side, explorer.at)
        ? h(
            "span",
            { class: "outcome" + (failed ? " failed" : "") },
            own(story.result(side, explorer.at)),
          )
        : null,
    ),
    at === explorer.at ? lanes(explorer, side, at) : null,
    frame,
    h("div", { class: "details" }, details(story, side, at)),
  );
  for (const each of node.querySelectorAll("[data-fold]")) {
    each.open = explorer.open.has(each.dataset.fold);
    each.addEventListener("toggle", () =>
      each.open ? explorer.open.add(each.dataset.fold) : explorer.open.delete(each.dataset.fold),
    );
  }
  return { node, frame, side, at };
}
