// Stepping through a story: the address, the keys, the program, and one card for each side.

class Explorer {
  constructor(root, cases) {
    this.root = root;
    this.cases = cases;
    this.open = new Set();
    this.all = false;
    this.timer = null;
    this.number = -1;
    this.readAddress();
    if (location.hash) this.reveal();
    addEventListener("hashchange", () => {
      this.readAddress();
      this.say();
      this.reveal();
    });
    for (const link of document.querySelectorAll("a[href^='#case=']")) {
      link.addEventListener("click", () => this.reveal());
    }
    addEventListener("keydown", (event) => this.key(event));
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth !== width) this.show();
      width = innerWidth;
    });
  }

  // `#case=1&step=7&side=2`; what is left out or out of range is the nearest that exists.
  readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const within = (name, least, most, other) => {
      const number = /^[0-9]{1,9}$/.test(asked.get(name) || "") ? Number(asked.get(name)) : other;
      return Math.min(most, Math.max(least, number));
    };
    const number = within("case", 1, this.cases.length, 1) - 1;
    if (number !== this.number) this.load(number);
    this.side = within("side", 1, this.story.sides.length, 1) - 1;
    this.at = within("step", 0, this.story.last, this.story.notable());
    this.part = within("part", 0, this.parts().length, 0);
    this.show();
  }

  // Below the tables of a check or a conformance report the run would be out of sight.
  reveal() {
    if (this.root.previousElementSibling) this.root.scrollIntoView();
  }

  writeAddress() {
    const asked = new URLSearchParams();
    if (this.cases.length > 1) asked.set("case", this.number + 1);
    asked.set("step", this.at);
    if (this.part) asked.set("part", this.part);
    if (this.story.sides.length > 1) asked.set("side", this.side + 1);
    point("#" + asked);
  }

  load(number) {
    this.number = number;
    this.story = new Story(this.cases[number]);
    this.people = peopleOf(this.story);
    this.rooms = {};
    this.fold = this.story.sides.length > 6;
    this.stop();
    this.frame();
  }

  to(at, { quiet } = {}) {
    this.at = Math.min(this.story.last, Math.max(0, at));
    this.part = 0;
    this.writeAddress();
    this.show();
    if (!quiet) this.say();
  }

  // The parts of two calls that overlap at this step, on the chosen side.
  parts() {
    return partsOf(this.story.sides[this.side], this.at);
  }

  toPart(part, side) {
    this.side = this.story.sides.indexOf(side);
    this.part = part;
    this.writeAddress();
    this.show();
    this.say();
  }

  // One step on or back; where calls overlap, through their parts.
  move(by) {
    const part = this.part + by;
    const within = by > 0 ? part <= this.parts().length : part >= 0 && this.part > 0;
    if (within) return this.toPart(part, this.story.sides[this.side]);
    this.to(this.at + by);
  }

  choose(side) {
    this.side = side;
    this.part = Math.min(this.part, this.parts().length);
    this.writeAddress();
    this.show();
    this.say();
  }

  key(event) {
    const target = event.target;
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (target.matches("select, textarea, input:not([type=range]):not([type=checkbox])")) return;
    if (target.matches("input[type=range]") && event.key !== "d") return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      this.stop();
      return this.move(event.key === "ArrowRight" ? 1 : -1);
    }
    const moves = {
      Home: 0,
      End: this.story.last,
      d: this.story.first || undefined,
    };
    if (moves[event.key] === undefined) return;
    event.preventDefault();
    this.stop();
    this.to(moves[event.key]);
  }

  play() {
    if (this.timer) return this.stop();
    if (this.at >= this.story.last) this.to(0);
    this.timer = setInterval(
      () => (this.at < this.story.last ? this.move(1) : this.stop()),
      1500,
    );
    this.playing();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    if (this.button) this.playing();
  }

  playing() {
    this.button.textContent = this.timer ? "pause" : "play";
    this.button.setAttribute("aria-pressed", String(Boolean(this.timer)));
  }

  // The sides that get a card: all, or one of each kind, the chosen one for its own.
  drawn() {
    const numbers = this.story.sides.map((_, number) => number);
    if (!this.fold) return numbers;
    const first = (number) =>
      numbers.find((other) => this.story.kind(other, this.at) === this.story.kind(number, this.at));
    return numbers.filter(
      (number) => number === this.side || (first(number) === number && first(this.side) !== number),
    );
  }

  say() {
    if (this.part) {
      document.getElementById("said").textContent = partSaid(this.parts(), this.part);
      return;
    }
    const sides = this.story.sides.map((side) => {
      const broken = this.story.breaks(side, this.at);
      return (
        `${this.story.sides.length > 1 ? this.story.nameOf(side) + ": " : ""}${this.story.result(side, this.at)}` +
        (broken.length ? `, breaks ${broken.join(", ")}` : "")
      );
    });
    const mark = this.at === this.story.first && sides.length > 1 ? " First difference." : "";
    document.getElementById("said").textContent =
      `Step ${this.at} of ${this.story.last}: ${this.story.call(this.at)}.${mark} ${sides.join(". ")}`;
  }

  // What stays while one steps through a story.
  frame() {
    const story = this.story;
    const button = (label, title, act) =>
      h("button", { type: "button", title, "aria-label": title, onclick: act }, label);
    const go = (where) => () => {
      this.stop();
      this.to(where());
    };
    this.slider = h("input", {
      type: "range",
      min: 0,
      max: this.story.last,
      step: 1,
      "aria-label": "step",
      oninput: (event) => {
        this.stop();
        this.to(Number(event.target.value));
      },
    });
    this.button = button("play", "play all steps", () => this.play());
    this.count = h("output", { class: "count" });
    this.now = h("p", { class: "now" });
    this.cards = h("div", { class: "cards", "data-sides": story.sides.length });
    this.rows = [];
    const types = new Set(
      JSON.stringify(data.pool)
        .match(/"type":"[A-Z-]+"/g)
        ?.map((each) => each.slice(8, -1)),
    );
    const several = story.sides.length > 1;
    this.tabs = several
      ? h(
          "div",
          { class: "tabs", role: "group", "aria-label": "sides" },
          story.sides.map((side, number) =>
            h(
              "button",
              { type: "button", onclick: () => this.choose(number) },
              own(this.story.nameOf(side)),
            ),
          ),
        )
      : null;
    const picker =
      this.cases.length > 1
        ? h(
            "label",
            { class: "picker" },
            "Shown: ",
            h(
              "select",
              {
                onchange: (event) => {
                  location.hash = "#case=" + (Number(event.target.value) + 1);
                },
              },
              this.cases.map((each, number) =>
                h("option", { value: number, selected: number === this.number }, each.name),
              ),
            ),
          )
        : null;
    const quiet = story.physical.quiet
      ? h(
          "label",
          { class: "option" },
          h("input", {
            type: "checkbox",
            checked: this.all,
            onchange: (event) => {
              this.all = event.target.checked;
              this.show();
            },
          }),
          ` also draw ${plural(story.physical.quiet, "range")} in which nothing happens`,
        )
      : null;
    const folding =
      story.sides.length > 3
        ? h(
            "label",
            { class: "option" },
            h("input", {
              type: "checkbox",
              checked: this.fold,
              onchange: (event) => {
                this.fold = event.target.checked;
                this.show();
              },
            }),
            " one card for all sides that are alike at a step",
          )
        : null;
    this.root.replaceChildren(
      defs(),
      picker || "",
      this.cases.length > 1
        ? h("h2", null, own(story.name))
        : h("h2", { class: "unseen" }, "step by step"),
      story.about ? h("p", { class: "about" }, own(story.about)) : "",
      h(
        "div",
        { class: "bar-top" },
        h(
          "div",
          { class: "controls", role: "toolbar", "aria-label": "steps" },
          button(
            "|◀",
            "to the start (Home)",
            go(() => 0),
          ),
          button(
            "◀",
            "one step back (left arrow)",
            () => (this.stop(), this.move(-1)),
          ),
          this.slider,
          button(
            "▶",
            "one step on (right arrow)",
            () => (this.stop(), this.move(1)),
          ),
          button(
            "▶|",
            "to the end (End)",
            go(() => this.story.last),
          ),
          this.count,
          several && story.first
            ? button(
                "≠ first difference",
                "to the first difference (d)",
                go(() => story.first),
              )
            : "",
          this.button,
        ),
        this.now,
        this.tabs || "",
      ),
      h(
        "div",
        {
          class: ["body", several && "several", story.sides.length > 3 && "many"]
            .filter(Boolean)
            .join(" "),
        },
        (this.aside = h(
          "aside",
          { class: "program", "aria-label": "program" },
          program(this),
          remarks(this.story),
        )),
        folding || "",
        this.cards,
      ),
      h("div", { class: "below" }, legend(types), quiet || ""),
    );
  }

  show() {
    if (!this.story) return;
    const story = this.story;
    this.slider.max = this.story.last;
    this.slider.value = this.at;
    this.slider.setAttribute(
      "aria-valuetext",
      `${this.at} of ${this.story.last}: ${this.story.call(this.at)}`,
    );
    this.count.textContent =
      `${this.at} / ${this.story.last}` +
      (this.part ? `, part ${this.part} / ${this.parts().length}` : "");
    const line = this.at >= 1 && this.at < this.story.last ? story.steps[this.at - 1].line : 0;
    this.now.replaceChildren(
      line ? h("span", { class: "line" }, `line ${line}`) : "",
      own(this.story.call(this.at)),
      story.sides.length > 1 && this.at === story.first
        ? h("span", { class: "flag" }, "first difference")
        : "",
    );
    this.rows.forEach((row, at) => {
      row.classList.toggle("current", at === this.at);
      if (at === this.at) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    const row = this.rows[this.at];
    if (
      row.offsetTop < this.aside.scrollTop ||
      row.offsetTop + row.offsetHeight > this.aside.scrollTop + this.aside.clientHeight
    ) {
      this.aside.scrollTop = row.offsetTop - this.aside.clientHeight / 3;
    }
    for (const cell of this.aside.querySelectorAll("[data-side]")) {
      cell.classList.toggle("other", Number(cell.dataset.side) !== this.side);
    }
    if (this.tabs)
      [...this.tabs.children].forEach((tab, number) =>
        tab.setAttribute("aria-pressed", String(number === this.side)),
      );
    const focused = document.activeElement && document.activeElement.closest("[data-fold]");
    const kept =
      focused && this.cards.contains(focused)
        ? [focused.closest(".card").dataset.side, focused.dataset.fold]
        : null;
    const rows = (this.rooms[this.all] ??= roominess(story, this.all));
    const made = this.drawn().map((number) => card(this, story.sides[number], number));
    this.cards.replaceChildren(...made.map((each) => each.node));
    for (const { frame, side, at } of made) {
      const label = `${this.story.nameOf(side)}, step ${this.at}: ${this.story.call(this.at)}. The lists below say the same in words.`;
      const lost = this.at > side.steps.length && this.at < this.story.last;
      const node = frame.parentElement;
      const wide = frame.clientWidth || 320;
      const drawing = lost
        ? h("p", null, "Nothing was recorded of this step.")
        : picture(story, side, at, wide, { rows, people: this.people, all: this.all, label });
      frame.replaceChildren(drawing);
      node.classList.toggle(
        "beside",
        wide > 760 && !lost && drawing.width.baseVal.value < 0.62 * wide,
      );
    }
    if (kept)
      this.cards
        .querySelector(`[data-side="${kept[0]}"] [data-fold="${kept[1]}"] summary`)
        ?.focus();
  }
}
