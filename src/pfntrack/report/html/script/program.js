// The program as a table: one row for each step, one column for the results of each side.

function program(explorer) {
  const story = explorer.story;
  const several = story.sides.length > 1;
  const row = (at) => {
    const first = several && at === story.first;
    const groups = story.groups[at - 1];
    const parts = groups && groups.some((group) => group);
    const made = h(
      "tr",
      { class: first ? "first" : parts ? "parts" : "" },
      h("td", { class: "number" }, at >= 1 && at < story.last ? at : ""),
      h(
        "th",
        { scope: "row" },
        h(
          "button",
          {
            type: "button",
            onclick: () => {
              explorer.stop();
              explorer.to(at);
            },
          },
          own(story.call(at)),
        ),
        first
          ? h(
              "span",
              { class: "flag" },
              "first difference: ",
              own(story.differs[at - 1].join(", ") || "see the cards"),
            )
          : "",
      ),
      story.sides.map((side, number) => {
        const broken = story.breaks(side, at);
        const failed = side.steps[at - 1] && side.steps[at - 1].failed;
        return h(
          "td",
          {
            "data-side": number,
            class: `result group-${groups ? groups[number] % 6 : 0} ${failed ? "failed" : ""}`,
            title: `${story.nameOf(side)}: ${story.result(side, at)}`,
          },
          own(story.result(side, at).replace("ok, loads ", "ok = ")),
          broken.map((name) => h("span", { class: "chip" }, "✗", own(name))),
          side.steps[at - 1] && side.steps[at - 1].notes.length
            ? h("span", { class: "chip note", title: side.steps[at - 1].notes.join("; ") }, "≠ asked")
            : "",
        );
      }),
    );
    explorer.rows.push(made);
    return made;
  };
  return h(
    "table",
    { class: "steps" },
    h("caption", { class: "unseen" }, "steps of the program and their results"),
    several
      ? h(
          "thead",
          null,
          h(
            "tr",
            null,
            h("td", null),
            h("td", null),
            story.sides.map((side, number) =>
              h(
                "th",
                { scope: "col", "data-side": number, title: story.nameOf(side) },
                own(story.nameOf(side)),
              ),
            ),
          ),
        )
      : null,
    h(
      "tbody",
      null,
      Array.from({ length: story.last + 1 }, (_, at) => row(at)),
    ),
  );
}

function remarks(story) {
  return [
    story.text
      ? h(
          "details",
          { class: "fold" },
          h("summary", null, "The scenario as text"),
          h("pre", { class: "source", tabindex: 0 }, story.text),
        )
      : null,
    h(
      "details",
      { class: "fold" },
      h("summary", null, "Properties and keys"),
      h(
        "dl",
        null,
        Object.entries(story.properties).map(([name, text]) => [
          h("dt", null, own(name)),
          h("dd", null, own(text)),
        ]),
      ),
      h(
        "p",
        null,
        h("kbd", null, "←"),
        " ",
        h("kbd", null, "→"),
        " step, ",
        h("kbd", null, "Home"),
        " ",
        h("kbd", null, "End"),
        " first and last, ",
        h("kbd", null, "d"),
        " first difference. The address names the step: copy it to point at one.",
      ),
    ),
  ];
}
