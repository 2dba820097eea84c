// A story of the page: one scenario and its sides, and how they are called.

class Story {
  constructor(raw) {
    Object.assign(this, raw);
  }

  get last() {
    return this.steps.length + 1;
  }

  // Where a reader without an address begins: where the property of a check breaks, where the
  // sides part, or where something breaks.
  notable() {
    const side = this.sides[0];
    if (this.property) {
      const at = side.steps.findIndex((step) =>
        step.broken.some((each) => each.property === this.property),
      );
      if (at >= 0) return at + 1;
      if (side.end.broken.some((each) => each.property === this.property)) return this.last;
    }
    if (this.sides.length > 1 && this.first) return this.first;
    const broken = this.sides[0].steps.findIndex((step) => step.broken.some((each) => each.new));
    return broken >= 0 ? broken + 1 : Math.min(1, this.last);
  }

  call(at) {
    if (at === 0) return "before the first step";
    return at === this.last ? "all processes are gone" : this.steps[at - 1].text;
  }

  // The release; the design as well where several sides have one release.
  nameOf(side) {
    const alike = this.sides.some(
      (other) => other !== side && other.release === side.release && other.source === side.source,
    );
    const name = side.source === "kernel" ? `kernel ${side.release}` : side.release;
    return alike && side.design !== side.release ? `${name} ${side.design}` : name;
  }

  // Sides with equal keys show the same at a step.
  kind(number, at) {
    const side = this.sides[number];
    if (at >= 1 && at < this.last) return this.groups[at - 1][number];
    return JSON.stringify(at ? [side.end.broken, side.end.state] : side.start);
  }

  result(side, at) {
    const step = side.steps[at - 1];
    if (at === 0) return "";
    if (at === this.last) return side.end.broken.length ? "leaks" : "clean";
    return step ? step.result : "lost";
  }

  breaks(side, at) {
    if (at === 0) return [];
    const broken =
      at === this.last ? side.end.broken : side.steps[at - 1] ? side.steps[at - 1].broken : [];
    return [...new Set(broken.filter((each) => each.new).map((each) => each.property))];
  }
}
