// Pages to pixels, piece by piece: islands of cells with gaps of fixed width.

const GAP = 1.6;

class Axis {
  // `islands` are lists of [start, end, weight]; `most` and `least` bound the width of a page.
  constructor(islands, from, to, least, most) {
    const weights = islands.flat().reduce((sum, cell) => sum + cell[2], 0);
    const total = weights + GAP * Math.max(0, islands.length - 1);
    this.unit = Math.max(least, Math.min(most, (to - from) / Math.max(1, total)));
    this.islands = [];
    this.cells = [];
    this.gaps = [];
    let x = from;
    islands.forEach((cells, number) => {
      if (number) {
        this.gaps.push({
          x,
          width: GAP * this.unit,
          pages: cells[0][0] - islands[number - 1].at(-1)[1],
        });
        x += GAP * this.unit;
      }
      const first = x;
      for (const [start, end, weight] of cells) {
        this.cells.push({ start, end, x, width: weight * this.unit });
        x += weight * this.unit;
      }
      this.islands.push({ start: cells[0][0], end: cells.at(-1)[1], x: first, width: x - first });
    });
    this.from = from;
    this.to = x;
  }

  has(start, end) {
    return this.islands.some((each) => each.start <= start && end <= each.end);
  }

  left(page) {
    const cell = this.cells.find((each) => each.start <= page && page < each.end);
    return cell ? this.within(cell, page) : this.right(page);
  }

  right(page) {
    const cell = this.cells.find((each) => each.start < page && page <= each.end);
    return cell ? this.within(cell, page) : this.to;
  }

  within(cell, page) {
    return cell.x + ((page - cell.start) / (cell.end - cell.start)) * cell.width;
  }

  span(start, end) {
    const x = this.left(start);
    return [x, Math.max(2, this.right(end) - x)];
  }

  // Numbers that can stand under the axis without touching each other: [x, page].
  ticks(em, name) {
    const found = [];
    let free = -Infinity;
    for (const cell of this.cells) {
      const single = cell.width / (cell.end - cell.start);
      const step = single >= 6 ? 1 : cell.end - cell.start;
      for (let page = cell.start; page < cell.end; page += step) {
        const x = this.within(cell, page);
        const text = name(page);
        if (x < free) continue;
        found.push([x, text]);
        free = x + (columns(text) + 0.8) * em * 0.61;
      }
    }
    return found;
  }

  // Boundaries between pages where single pages are wide enough to be seen.
  borders() {
    return this.cells.flatMap((cell) => {
      const pages = cell.end - cell.start;
      if (cell.width / pages < 6) return [cell.x];
      return Array.from({ length: pages }, (_, at) => this.within(cell, cell.start + at));
    });
  }
}
