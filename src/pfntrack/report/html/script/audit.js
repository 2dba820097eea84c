// The physical map of a machine: an overview to click on, and a search by address.

class PhysicalMap {
  constructor(map) {
    this.rows = map.rows;
    this.islands = map.islands;
    this.left = map.left;
    this.hidden = map.hidden;
    this.overview = document.getElementById("overview");
    this.answer = document.getElementById("answer");
    this.input = document.getElementById("address");
    const form = document.getElementById("search");
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.find(this.input.value, true);
    });
    this.input.addEventListener("input", () => this.find(this.input.value, false));
    for (const cell of document.querySelectorAll("td.kind")) {
      if (TYPES[cell.dataset.type]) cell.prepend(swatch(cell.dataset.type));
    }
    addEventListener("hashchange", () => this.readAddress());
    let width = 0;
    const draw = () => {
      if (innerWidth !== width) this.draw();
      width = innerWidth;
    };
    addEventListener("resize", draw);
    draw();
    this.readAddress();
  }

  readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1)).get("address");
    if (asked === null) return;
    this.input.value = asked;
    this.find(asked, true);
  }

  // Rows that hold an address, or share a byte with a range; says so in words as well.
  find(text, go) {
    for (const row of document.querySelectorAll("tr.hit")) row.classList.remove("hit");
    const words = text.trim().toLowerCase();
    if (!words) return this.tell("");
    const match = /^(?:0x)?([0-9a-f]{1,13})(?:\s*-\s*(?:0x)?([0-9a-f]{1,14}))?$/.exec(words);
    if (!match) return this.tell("expected a hexadecimal address such as fea01000, or a range");
    const start = parseInt(match[1], 16);
    const end = match[2] ? parseInt(match[2], 16) : start + 1;
    if (end <= start) return this.tell("expected a range that ends after its start");
    point("#" + new URLSearchParams({ address: words }));
    const found = this.rows.filter((row) => row.start < end && start < row.end);
    found.forEach((row) => document.getElementById(row.id).classList.add("hit"));
    const mapped = [...document.querySelectorAll("tr[data-physical]")].filter((row) => {
      const [from, to] = row.dataset.physical.split("-").map(Number);
      return from < end && start < to;
    });
    mapped.forEach((row) => row.classList.add("hit"));
    const shown = match[2] ? `${hex(start)}-${hex(end)}` : hex(start);
    const also = mapped.length ? `; ${plural(mapped.length, "mapping")} of it below` : "";
    if (!found.length) {
      const below = this.rows.filter((row) => row.end <= start).at(-1);
      const above = this.rows.find((row) => row.start >= end);
      const none = this.hidden
        ? `is in no reservation of this page, which leaves out ${this.hidden}`
        : "is not reserved";
      this.tell(
        `${shown} ${none}` +
          (below ? `; before it ends ${hex(below.end)}` : "") +
          (above ? `, after it begins ${hex(above.start)}` : "") +
          also,
      );
    } else {
      this.tell(
        `${shown} is in ${plural(found.length, "reservation")}: ` +
          found
            .slice(0, 4)
            .map(
              (row) =>
                `${row.count > 1 ? `perhaps (one of ${row.count} in this range) ` : ""}${hex(row.start)}-${hex(row.end)} ` +
                `${row.type}, ${row.owner || "nobody seen"}`,
            )
            .join("; ") +
          (found.length > 4 ? "; ..." : "") +
          also,
      );
      if (go) this.show(found[0].id);
    }
  }

  tell(text) {
    this.answer.textContent = text;
  }

  show(id) {
    const row = document.getElementById(id);
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
  }

  draw() {
    if (!this.rows.length) return;
    const wide = this.overview.clientWidth || 320;
    const axis = new Axis(this.islands, 8, wide - 12, 5, 80);
    const items = this.rows.map((row) => ({
      ...row,
      first: row.start,
      start: Math.floor(row.start / 4096),
      end: Math.ceil(row.end / 4096),
    }));
    const full = Math.ceil(Math.max(wide, axis.to + 12));
    const rows = packed(items);
    const height = Math.max(12, Math.min(24, 120 / rows.length));
    const base = 18;
    const foot = base + rows.length * height;
    const [boxes, notable] = [s("g"), s("g")];
    rows.forEach((row, number) =>
      row.forEach((item) => {
        const [x, across] = axis.span(item.start, item.end);
        const box = {
          x: x + 0.5,
          y: base + number * height + 1,
          width: Math.max(item.marks.length ? 4 : 1, across - 1),
          height: height - 3,
          rx: 2,
        };
        const notes = item.marks.length
          ? ` (${item.marks.map((mark) => MARKS[mark] || mark).join(", ")})`
          : "";
        const link = s(
          "a",
          {
            href: "#" + item.id,
            class: `part ${item.marks.join(" ")}`,
            tabindex: item.marks.length ? 0 : -1,
            "aria-label": `${hex(item.first)}: ${item.type}${notes}`,
          },
          s(
            "title",
            null,
            `${hex(item.start * 4096)}-${hex(item.end * 4096)} ${item.type}, ${item.owner || "nobody seen"}${notes}`,
          ),
          TYPES[item.type] ? typed(item.type, box) : null,
          item.marks.length || box.width > 4 ? s("rect", { ...box, class: "edge" }) : null,
        );
        if (height > 13) link.append(plate(box, fitting([item.type], box.width - 2, EM)));
        if (item.marks.length) {
          link.append(
            s(
              "text",
              { x: box.x + box.width / 2, y: base - 4, class: "middle sign" },
              item.marks.includes("stale") ? "✗" : "!",
            ),
          );
        }
        (item.marks.length ? notable : boxes).append(link);
      }),
    );
    for (const [start, end] of this.left) {
      const [x, across] = axis.span(Math.floor(start / 4096), Math.ceil(end / 4096));
      boxes.append(
        s(
          "rect",
          { x, y: foot, width: across, height: 4, class: "leaks" },
          s("title", null, `${hex(start)}-${hex(end)} stays reserved if every process exits`),
        ),
      );
    }
    for (const gap of axis.gaps) {
      const x = gap.x + gap.width / 2;
      boxes.append(
        s(
          "path",
          { class: "gap", d: `M${x - 2},${base} l2,${(foot - base) / 2} l-2,${(foot - base) / 2}` },
          s("title", null, `${plural(gap.pages, "page")} not drawn`),
        ),
      );
    }
    let free = -Infinity;
    for (const island of axis.islands) {
      const label = hex(island.start * 4096);
      const x = Math.min(island.x, Math.max(0, full - 4 - label.length * EM * 0.61));
      if (x < free) continue;
      boxes.append(s("text", { x, y: foot + 16, class: "tick" }, label));
      free = x + (label.length + 1.5) * EM * 0.61;
    }
    this.overview.replaceChildren(
      defs(),
      s(
        "svg",
        {
          class: "picture",
          width: full,
          height: foot + 22,
          viewBox: `0 0 ${full} ${foot + 22}`,
          role: "group",
          "aria-label": "overview of all reservations; the table below has the same",
        },
        boxes,
        notable,
      ),
      legend(new Set(this.rows.map((row) => row.type))),
      this.left.length
        ? h(
            "p",
            { class: "about" },
            h("span", { class: "leaks" }),
            " stays reserved if every process exits",
          )
        : "",
    );
  }
}

const MARKS = {
  stale: "stale",
  suspected: "suspected stale",
  pieces: "held in pieces",
  left: "left by exits",
};
