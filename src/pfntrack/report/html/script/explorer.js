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

  get last() {
    return this.story.steps.length + 1;
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
    this.at = within("step", 0, this.last, this.notable());
    this.show();
  }

  // Below the tables of a check or a conformance report the run would be out of sight.
  reveal() {
    if (this.root.previousElementSibling) this.root.scrollIntoView();
  }

  // Where a reader without an address begins: where the sides part, or where something breaks.
  notable() {
    if (this.story.sides.length > 1 && this.story.first) return this.story.first;
    const broken = this.story.sides[0].steps.findIndex((step) => step.broken.some((each) => each.new));
    return broken >= 0 ? broken + 1 : Math.min(1, this.last);
  }

  writeAddress() {
    const asked = new URLSearchParams();
    if (this.cases.length > 1) asked.set("case", this.number + 1);
    asked.set("step", this.at);
    if (this.story.sides.length > 1) asked.set("side", this.side + 1);
    point("#" + asked);
  }

  load(number) {
    this.number = number;
    this.story = this.cases[number];
    this.people = peopleOf(this.story);
    this.rooms = {};
    this.fold = this.story.sides.length > 6;
    this.stop();
    this.frame();
  }

  to(at, { quiet } = {}) {
    this.at = Math.min(this.last, Math.max(0, at));
    this.writeAddress();
    this.show();
    if (!quiet) this.say();
  }

  choose(side) {
    this.side = side;
    this.writeAddress();
    this.show();
    this.say();
  }

  key(event) {
    const target = event.target;
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (target.matches("select, textarea, input:not([type=range]):not([type=checkbox])")) return;
    if (target.matches("input[type=range]") && event.key !== "d") return;
    const moves = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: this.last,
                    d: this.story.first || undefined };
    if (moves[event.key] === undefined) return;
    event.preventDefault();
    this.stop();
    this.to(moves[event.key]);
  }

  play() {
    if (this.timer) return this.stop();
    if (this.at >= this.last) this.to(0);
    this.timer = setInterval(() => (this.at < this.last ? this.to(this.at + 1) : this.stop()), 1500);
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

  call(at) {
    if (at === 0) return "before the first step";
    return at === this.last ? "all processes are gone" : this.story.steps[at - 1].text;
  }

  // The release; the design as well where several sides have one release.
  nameOf(side) {
    const alike = this.story.sides.some((other) => other !== side && other.release === side.release && other.source === side.source);
    const name = side.source === "kernel" ? `kernel ${side.release}` : side.release;
    return alike && side.design !== side.release ? `${name} ${side.design}` : name;
  }

  // Sides with equal keys show the same at a step.
  kind(number, at) {
    const side = this.story.sides[number];
    if (at >= 1 && at < this.last) return this.story.groups[at - 1][number];
    return JSON.stringify(at ? [side.end.broken, side.end.state] : side.start);
  }

  // The sides that get a card: all, or one of each kind, the chosen one for its own.
  drawn() {
    const numbers = this.story.sides.map((_, number) => number);
    if (!this.fold) return numbers;
    const first = (number) => numbers.find((other) => this.kind(other, this.at) === this.kind(number, this.at));
    return numbers.filter((number) => number === this.side || (first(number) === number && first(this.side) !== number));
  }

  result(side, at) {
    const step = side.steps[at - 1];
    if (at === 0) return "";
    if (at === this.last) return side.end.broken.length ? "leaks" : "clean";
    return step ? step.result : "lost";
  }

  breaks(side, at) {
    if (at === 0) return [];
    const broken = at === this.last ? side.end.broken : side.steps[at - 1] ? side.steps[at - 1].broken : [];
    return [...new Set(broken.filter((each) => each.new).map((each) => each.property))];
  }

  say() {
    const sides = this.story.sides.map((side) => {
      const broken = this.breaks(side, this.at);
      return `${this.story.sides.length > 1 ? this.nameOf(side) + ": " : ""}${this.result(side, this.at)}` +
        (broken.length ? `, breaks ${broken.join(", ")}` : "");
    });
    const mark = this.at === this.story.first && sides.length > 1 ? " First difference." : "";
    document.getElementById("said").textContent =
      `Step ${this.at} of ${this.last}: ${this.call(this.at)}.${mark} ${sides.join(". ")}`;
  }

  // What stays while one steps through a story.
  frame() {
    const story = this.story;
    const button = (label, title, act) => h("button", { type: "button", title, "aria-label": title, onclick: act }, label);
    const go = (where) => () => { this.stop(); this.to(where()); };
    this.slider = h("input", { type: "range", min: 0, max: this.last, step: 1, "aria-label": "step",
      oninput: (event) => { this.stop(); this.to(Number(event.target.value)); } });
    this.button = button("play", "play all steps", () => this.play());
    this.count = h("output", { class: "count" });
    this.now = h("p", { class: "now" });
    this.cards = h("div", { class: "cards", "data-sides": story.sides.length });
    this.rows = [];
    const types = new Set(JSON.stringify(data.pool).match(/"type":"[A-Z-]+"/g)?.map((each) => each.slice(8, -1)));
    const several = story.sides.length > 1;
    this.tabs = several ? h("div", { class: "tabs", role: "group", "aria-label": "sides" },
      story.sides.map((side, number) => h("button", { type: "button", onclick: () => this.choose(number) },
        own(this.nameOf(side))))) : null;
    const picker = this.cases.length > 1 ? h("label", { class: "picker" }, "Shown: ",
      h("select", { onchange: (event) => { location.hash = "#case=" + (Number(event.target.value) + 1); } },
        this.cases.map((each, number) => h("option", { value: number, selected: number === this.number }, each.name)))) : null;
    const quiet = story.physical.quiet ? h("label", { class: "option" },
      h("input", { type: "checkbox", checked: this.all, onchange: (event) => { this.all = event.target.checked; this.show(); } }),
      ` also draw ${plural(story.physical.quiet, "range")} in which nothing happens`) : null;
    const folding = story.sides.length > 3 ? h("label", { class: "option" },
      h("input", { type: "checkbox", checked: this.fold, onchange: (event) => { this.fold = event.target.checked; this.show(); } }),
      " one card for all sides that are alike at a step") : null;
    this.root.replaceChildren(
      defs(),
      picker || "",
      this.cases.length > 1 || story.about || story.tags.length ? h("div", { class: "story" },
        this.cases.length > 1 ? h("h2", null, own(story.name)) : "",
        story.about ? h("p", { class: "about" }, own(story.about)) : "") : "",
      h("div", { class: "bar-top" },
        h("div", { class: "controls", role: "toolbar", "aria-label": "steps" },
          button("|◀", "to the start (Home)", go(() => 0)),
          button("◀", "one step back (left arrow)", go(() => this.at - 1)),
          this.slider,
          button("▶", "one step on (right arrow)", go(() => this.at + 1)),
          button("▶|", "to the end (End)", go(() => this.last)),
          this.count,
          several && story.first ? button("≠ first difference", "to the first difference (d)", go(() => story.first)) : "",
          this.button),
        this.now, this.tabs || ""),
      h("div", { class: ["body", several && "several", story.sides.length > 3 && "many"].filter(Boolean).join(" ") }, (this.aside = h("aside", { class: "program", "aria-label": "program" }, this.program(), this.remarks())), folding || "", this.cards),
      h("div", { class: "below" }, legend(types), quiet || ""));
  }

  program() {
    const story = this.story;
    const several = story.sides.length > 1;
    const row = (at) => {
      const first = several && at === story.first;
      const groups = story.groups[at - 1];
      const parts = groups && groups.some((group) => group);
      const made = h("tr", { class: first ? "first" : parts ? "parts" : "" },
        h("td", { class: "number" }, at >= 1 && at < this.last ? at : ""),
        h("th", { scope: "row" }, h("button", { type: "button", onclick: () => { this.stop(); this.to(at); } }, own(this.call(at))),
          first ? h("span", { class: "flag" }, "first difference: ", own(story.differs[at - 1].join(", ") || "see the cards")) : ""),
        story.sides.map((side, number) => {
          const broken = this.breaks(side, at);
          const failed = side.steps[at - 1] && side.steps[at - 1].failed;
          return h("td", { "data-side": number, class: `result group-${groups ? groups[number] % 6 : 0} ${failed ? "failed" : ""}`,
                           title: `${this.nameOf(side)}: ${this.result(side, at)}` },
            own(this.result(side, at).replace("ok, loads ", "ok = ")), broken.map((name) => h("span", { class: "chip" }, "✗", own(name))));
        }));
      this.rows.push(made);
      return made;
    };
    return h("table", { class: "steps" },
      h("caption", { class: "unseen" }, "steps of the program and their results"),
      several ? h("thead", null, h("tr", null, h("td", null), h("td", null), story.sides.map((side, number) =>
        h("th", { scope: "col", "data-side": number, title: this.nameOf(side) }, own(this.nameOf(side)))))) : null,
      h("tbody", null, Array.from({ length: this.last + 1 }, (_, at) => row(at))));
  }

  remarks() {
    return [
      this.story.text ? h("details", { class: "fold" }, h("summary", null, "The scenario as text"),
        h("pre", { class: "source", tabindex: 0 }, this.story.text)) : null,
      h("details", { class: "fold" }, h("summary", null, "Properties and keys"),
        h("dl", null, Object.entries(this.story.properties).map(([name, text]) => [h("dt", null, own(name)), h("dd", null, own(text))])),
        h("p", null, h("kbd", null, "←"), " ", h("kbd", null, "→"), " step, ", h("kbd", null, "Home"), " ", h("kbd", null, "End"),
          " first and last, ", h("kbd", null, "d"), " first difference. The address names the step: copy it to point at one.")),
    ];
  }

  show() {
    if (!this.story) return;
    const story = this.story;
    this.slider.max = this.last;
    this.slider.value = this.at;
    this.slider.setAttribute("aria-valuetext", `${this.at} of ${this.last}: ${this.call(this.at)}`);
    this.count.textContent = `${this.at} / ${this.last}`;
    const line = this.at >= 1 && this.at < this.last ? story.steps[this.at - 1].line : 0;
    this.now.replaceChildren(line ? h("span", { class: "line" }, `line ${line}`) : "", own(this.call(this.at)),
      story.sides.length > 1 && this.at === story.first ? h("span", { class: "flag" }, "first difference") : "");
    this.rows.forEach((row, at) => {
      row.classList.toggle("current", at === this.at);
      if (at === this.at) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    const row = this.rows[this.at];
    if (row.offsetTop < this.aside.scrollTop || row.offsetTop + row.offsetHeight > this.aside.scrollTop + this.aside.clientHeight) {
      this.aside.scrollTop = row.offsetTop - this.aside.clientHeight / 3;
    }
    for (const cell of this.aside.querySelectorAll("[data-side]")) {
      cell.classList.toggle("other", Number(cell.dataset.side) !== this.side);
    }
    if (this.tabs) [...this.tabs.children].forEach((tab, number) => tab.setAttribute("aria-pressed", String(number === this.side)));
    const focused = document.activeElement && document.activeElement.closest("[data-fold]");
    const kept = focused && this.cards.contains(focused) ? [focused.closest(".card").dataset.side, focused.dataset.fold] : null;
    const rows = (this.rooms[this.all] ??= roominess(story, this.all));
    const made = this.drawn().map((number) => this.card(story.sides[number], number));
    this.cards.replaceChildren(...made.map((each) => each.node));
    for (const { frame, side, at } of made) {
      const label = `${this.nameOf(side)}, step ${this.at}: ${this.call(this.at)}. The lists below say the same in words.`;
      const lost = this.at > side.steps.length && this.at < this.last;
      const node = frame.parentElement;
      const wide = frame.clientWidth || 320;
      const drawing = lost ? h("p", null, "Nothing was recorded of this step.")
        : picture(story, side, at, wide, { rows, people: this.people, all: this.all, label });
      frame.replaceChildren(drawing);
      node.classList.toggle("beside", wide > 760 && !lost && drawing.width.baseVal.value < 0.62 * wide);
    }
    if (kept) this.cards.querySelector(`[data-side="${kept[0]}"] [data-fold="${kept[1]}"] summary`)?.focus();
  }

  card(side, number) {
    const at = this.at === this.last ? side.steps.length + 1 : Math.min(this.at, side.steps.length);
    const groups = this.story.groups[this.at - 1];
    const several = this.story.sides.length > 1;
    const same = groups ? this.story.sides.filter((_, other) => other !== number && groups[other] === groups[number]) : [];
    const others = this.story.sides.filter((_, other) => other !== number && this.kind(other, this.at) === this.kind(number, this.at));
    const verdict = !several ? null : !groups ? (this.fold && others.length
        ? h("span", { class: "group" }, "like ", own(others.map((each) => this.nameOf(each)).join(", "))) : null)
      : groups.some((group) => group !== groups[0])
        ? h("span", { class: `group group-${groups[number] % 6}` }, same.length ? ["like ", own(same.map((each) => this.nameOf(each)).join(", "))] : "alone")
        : h("span", { class: "group" }, "all alike");
    const frame = h("div", { class: "frame" });
    const failed = side.steps[at - 1] && side.steps[at - 1].failed && this.at < this.last;
    const node = h("article", { class: "card" + (number === this.side ? " current" : ""), "data-side": number,
                                "aria-label": this.nameOf(side) },
      h("header", null,
        h("h3", null, several ? h("button", { type: "button", title: "name this side in the address",
          onclick: () => this.choose(number) }, own(this.nameOf(side))) : own(this.nameOf(side))),
        h("span", { class: "design" }, own(side.design)),
        side.source === "kernel" ? h("span", { class: "design" }, "observed") : null,
        verdict,
        this.result(side, this.at) ? h("span", { class: "outcome" + (failed ? " failed" : "") }, own(this.result(side, this.at))) : null),
      frame,
      h("div", { class: "details" }, details(this.story, side, at)));
    for (const each of node.querySelectorAll("[data-fold]")) {
      each.open = this.open.has(each.dataset.fold);
      each.addEventListener("toggle", () => (each.open ? this.open.add(each.dataset.fold) : this.open.delete(each.dataset.fold)));
    }
    return { node, frame, side, at };
  }
}
