"""Pages in a real browser: they open from a file, ask for nothing, and can be walked by keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.build import SNAPSHOTS
from browser.browser import Browser
from browser.conftest import Make
from pfntrack.check.run import run_scenario
from pfntrack.cli import main
from pfntrack.lab.play.conform import gather
from pfntrack.releases import release_for
from pfntrack.report.html import document_of, page
from pfntrack.report.lab.run import run_of
from pfntrack.report.runs.json_run import run_json
from pfntrack.scenario import parse

pytestmark = pytest.mark.browser

AUDIT = f"audit --snapshot {SNAPSHOTS / '6.1-split-alive'}"
CHECK = (
    "check --preset quick --bounds 1,2,2,1,2 --ops map,munmap,exit --release 6.12 "
    "--property I1,I4,I9 --no-output --quiet"
)
TRACES = Path(__file__).parents[1] / "conform" / "traces"
RUN = "run truncate-middle --release 6.12"
COMPARE = "compare truncate-middle --with 6.1,6.12,7.3"


def step(browser: Browser) -> str:
    """What the page says about the step: its number and its call."""
    return f"{browser.text('.count')}: {browser.text('tr.current th bdi')}"


@pytest.mark.parametrize("line", [RUN, COMPARE, CHECK, AUDIT], ids=lambda line: line.split()[0])
@pytest.mark.parametrize("width", [360, 1600])
def test_opens_quietly(browser: Browser, make: Make, line: str, width: int) -> None:
    """Every kind of page opens from a file without an error, a request, or a scroll sideways."""
    path = make(line)
    assert path.stat().st_size < 1 << 20
    browser.size(width, scheme="dark")
    browser.open(path)
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]
    assert browser.run("performance.getEntriesByType('resource').length") == 0
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.all("svg.picture")


def test_would_see_a_request(browser: Browser, make: Make) -> None:
    """The two tests above can fail: a request shows in the log, and the policy stops script."""
    path = make(RUN)
    text = path.read_text(encoding="utf-8")
    extra = '<img src="http://127.0.0.1:9/x"><script>window.owned = 1</script></body>'
    path.write_text(text.replace("</body>", extra), encoding="utf-8")
    browser.open(path)
    refused = " ".join(browser.complaints())
    assert "script-src" in refused
    assert "127.0.0.1:9" in refused
    assert not browser.run("Boolean(window.owned)")
    free = path.with_name("free.html")
    free.write_text('<img src="http://127.0.0.1:9/x">', encoding="utf-8")
    browser.open(free)
    assert "http://127.0.0.1:9/x" in browser.requests()


def test_stepping_by_keys(browser: Browser, make: Make) -> None:
    """Arrow keys, Home and End walk through the run, and the live region says where one is."""
    browser.open(make(RUN))
    assert step(browser) == "3 / 8: driver zaps fd0[1,2) of A"
    browser.press("right")
    assert step(browser) == "4 / 8: A reads page 1"
    assert browser.text("#said") == "Step 4 of 8: A reads page 1. SIGBUS"
    browser.press("left", "left")
    assert step(browser) == "2 / 8: A maps fd0[0,4) at 0"
    browser.press("home", "left")
    assert step(browser) == "0 / 8: before the first step"
    browser.press("end", "right")
    assert step(browser) == "8 / 8: all processes are gone"
    browser.one("input[type=range]").click()
    browser.press("home", "right", "right", "right")
    assert step(browser) == "3 / 8: driver zaps fd0[1,2) of A"
    assert browser.text(".card .lamps .bad") == "✗ I2 cover broken by this step"
    assert "unmap_single_vma(): a part is zapped" in browser.text(".details")


def test_the_picture_follows(browser: Browser, make: Make) -> None:
    """The picture has what the state has: a reservation that goes, the entries that stay."""
    browser.open(make(RUN), "step=2")
    assert [each.text for each in browser.all(".picture .bar.new .middle")] == ["+ H[0,4) UC-"]
    assert len(browser.all(".picture .ribbon")) == 1
    assert browser.all(".picture .vma.tracked")
    browser.press("right")
    gone = [each.text for each in browser.all(".picture .bar.gone .middle")]
    assert gone == ["\N{MINUS SIGN} H[0,4) UC-", "\N{MINUS SIGN} zapped"]
    assert len(browser.all(".picture .ribbon")) == 2
    assert browser.all(".picture .vma.untracked")
    assert [each.text for each in browser.all(".picture .mark .middle")] == ["✗ I2", "✗ I2"]
    browser.press("end")
    assert not browser.all(".picture .ribbon")


def test_a_link_to_a_step_survives(browser: Browser, make: Make) -> None:
    """The address names step and side; a reload and a new window show the same."""
    path = make(COMPARE)
    browser.open(path)
    browser.press("right", "right")
    browser.size(360)
    browser.all(".tabs button")[2].click()
    assert browser.run("location.hash") == "#step=5&side=3"
    browser.driver.refresh()
    assert step(browser) == "5 / 8: A reads page 0"
    assert browser.text(".card.current h3") == "7.3"
    shown = [
        card.get_attribute("data-side") for card in browser.all(".card") if card.is_displayed()
    ]
    assert shown == ["2"]
    browser.open(path, "step=99&side=nonsense")
    assert step(browser) == "8 / 8: all processes are gone"
    browser.run("(location.hash = '#step=1', 0)")
    assert step(browser).startswith("1 / 8")


def test_the_first_difference_is_marked(browser: Browser, make: Make) -> None:
    """Side by side, the page begins where the designs part, and says in what."""
    browser.open(make(COMPARE))
    assert browser.text("tr.first .number") == "3"
    assert browser.text("tr.first .flag") == (
        "first difference: reservations, tracking, properties"
    )
    heads = [each.get_attribute("textContent") for each in browser.all(".card header")]
    assert heads == [
        "6.1vm-patlike 6.12ok",
        "6.12vm-patlike 6.1ok",
        "7.3track-contextdiffers from all othersok",
    ]
    broken = [bool(browser.all(f"[data-side='{side}'] .lamps .bad")) for side in range(3)]
    assert broken == [True, True, False]
    browser.press("home", "d")
    assert step(browser).startswith("3 / 8")
    assert "First difference." in browser.text("#said")


def test_many_sides(browser: Browser, make: Make) -> None:
    """Of many designs each kind has one card, which names those that are like it."""
    names = "5.10,6.1,6.12,7.3,untrack-at-unmap,pfn-per-vma,side-table,ours"
    browser.open(make(f"compare truncate-middle --with {names}"), "step=3&side=3")
    cards = [card.get_attribute("data-side") for card in browser.all(".card")]
    assert "2" in cards
    assert "0" not in cards
    kinds = {
        str(cell.get_attribute("class")).split("group-")[1][0]
        for cell in browser.all("tr.current .result")
    }
    assert len(cards) == len(kinds) < 8
    assert browser.text(".card.current .group") == "like 5.10, 6.1"
    browser.one(".body .option input").click()
    assert len(browser.all(".card")) == 8


def test_model_and_kernel(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recorded run beside the model's: alike in every step, and only the model is judged."""
    trace = json.loads((TRACES / "6.12" / "zap-twice.json").read_text(encoding="utf-8"))
    (plan,) = gather(["zap-twice"])
    observed = run_json(run_of(plan, trace, release_for("6.12")), "kernel")
    (tmp_path / "kernel.json").write_text(json.dumps(observed), encoding="utf-8")
    main(["run", "zap-twice", "--json"])
    (tmp_path / "model.json").write_text(capsys.readouterr().out, encoding="utf-8")
    path = tmp_path / "both.html"
    inputs = [str(tmp_path / "model.json"), str(tmp_path / "kernel.json")]
    assert main(["report", *inputs, "-o", str(path)]) == 0
    browser.open(path, "step=3")
    assert not browser.all("tr.first")
    assert [each.text for each in browser.all(".card header .group")] == ["all alike"] * 2
    lamps = browser.all(".card:nth-child(2) .lamps li")
    assert {lamp.get_attribute("class") for lamp in lamps} == {"dark"}


def test_check_shows_counterexamples(browser: Browser, make: Make) -> None:
    """A verdict links to the shortest program that breaks the property, as a run."""
    browser.open(make(CHECK))
    assert "holds within these bounds" in browser.text(".verdicts tbody tr:last-child")
    links = browser.all(".verdicts a")
    assert len(links) == 2
    links[1].click()
    assert browser.text("#explorer h2") == "breaks I4"
    assert browser.all(".lamps .bad")
    assert browser.run("document.getElementById('explorer').getBoundingClientRect().top") < 500


def test_audit_search(browser: Browser, make: Make) -> None:
    """An address in hex finds its range, its holder, and what lies around an unreserved one."""
    path = make(AUDIT)
    browser.open(path)
    browser.one("#address").send_keys("0xfea01000")
    browser.press("enter")
    (hit,) = browser.all("table.map tr.hit")
    assert "0xfea00000-0xfea09000" in hit.text
    assert "held in pieces" in hit.text
    assert "24 KiB left by exits" in hit.text
    assert "splitter[93]" in browser.text("#answer")
    assert browser.run("location.hash") == "#address=0xfea01000"
    browser.driver.refresh()
    assert browser.all("table.map tr.hit")
    for words, answer in (
        ("c0000000", "is not reserved; before it ends 0xc0000000"),
        ("feb00000-feb03000", "is in 2 reservations"),
        ("purple", "expected a hexadecimal address"),
        ("9-8", "expected a range that ends after its start"),
    ):
        box = browser.one("#address")
        box.clear()
        box.send_keys(words)
        assert answer in browser.text("#answer")
    browser.one(".finding a").click()
    assert browser.run("document.querySelector(':target').id") == "r3"


def test_without_script(browser: Browser, make: Make) -> None:
    """Without JavaScript a run is a table of steps, and an audit lacks only its drawing."""
    browser.scripts(on=False)
    try:
        browser.open(make(COMPARE))
        assert "driver zaps fd0[1,2) of A" in browser.one("noscript").text
        assert "BROKEN I2" in browser.one("noscript").text
        browser.open(make(AUDIT))
        assert "held in pieces" in browser.one("table.map").text
    finally:
        browser.scripts(on=True)


def test_print(browser: Browser, make: Make) -> None:
    """On paper there are all sides and whole lists, and nothing to press."""
    browser.size(794)
    browser.open(make(COMPARE))
    media = {"media": "print", "features": []}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        assert not browser.one(".controls").is_displayed()
        assert [card.is_displayed() for card in browser.all(".card")] == [True] * 3
        cut = "[...document.querySelectorAll('.log, .block ul, .program')]"
        assert not browser.run(f"{cut}.filter((e) => e.scrollHeight > e.clientHeight + 1).length")
        assert browser.run("document.documentElement.scrollWidth") <= 794
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_sparse_ranges_do_not_overlap(browser: Browser, tmp_path: Path) -> None:
    """Low memory beside a BAR at 4 GiB on a phone: no two labels of a row touch."""
    text = (
        "scenario sparse\nmachine\n  no mtrr\n  window W at 0xfe100000 for 64 pages as BAR 0 of "
        "0000:00:05.0\n"
        "A opens /dev/mem with O_SYNC as fd0\n"
        "kernel ioremaps R[3,4) with UC- as regs\n"
        "A opens driver on W with WC as fd1\n"
        "A maps fd1[0,64) at 0\n"
        "A maps fd1[7,8) at 100\n"
        "A unmaps [5,6)\n"
    )
    document = run_json(run_scenario(parse(text), release_for("6.12")))
    path = tmp_path / "sparse.html"
    path.write_text(page(document_of("run", document, "sparse")), encoding="utf-8")
    for width in (360, 900, 1600):
        browser.size(width)
        browser.open(path, "step=6")
        assert browser.complaints() == []
        overlaps = browser.run(
            """(() => {
              const boxes = [...document.querySelectorAll('.picture text:not(.label)')]
                .map((each) => [each.textContent, each.getBoundingClientRect()])
                .filter(([text, box]) => text && box.width);
              const bad = [];
              boxes.forEach(([a, x], i) => boxes.slice(i + 1).forEach(([b, y]) => {
                if (x.left < y.right - 1 && y.left < x.right - 1 &&
                    x.top + 3 < y.bottom - 3 && y.top + 3 < x.bottom - 3) bad.push(a + ' | ' + b);
              }));
              return bad;
            })()"""
        )
        assert overlaps == []


def test_two_calls_are_lanes(browser: Browser, make: Make) -> None:
    """Where two calls overlap, their parts stand in two lanes, and the keys walk through them."""
    path = make("run race-tlb-window --release 6.12")
    for width in (390, 900, 1600):
        browser.size(width)
        browser.open(path, "step=2")
        assert browser.all(".lanes") == []
        browser.press("right")
        parts = browser.all(".lanes .part")
        assert [str(each.get_attribute("class")).split()[1] for each in parts] == [
            *["left"] * 9,
            "right",
        ]
        assert [each.text for each in browser.all(".lane-head")] == [
            "A unmaps [0,4)",
            "kernel ioremaps H[0,4) with WC as other",
        ]
        left, right = parts[0].rect, parts[-1].rect
        assert left["x"] + left["width"] < right["x"]
        assert left["y"] + left["height"] < right["y"]
        assert browser.run("document.documentElement.scrollWidth") <= width
        holds = [each.get_attribute("title") for each in browser.all(".lanes .hold")]
        assert holds == ["mmap_lock A w", "TLB stale"]
        assert browser.one(".frame svg.picture").rect["width"] > 200
        assert browser.complaints() == []


def test_parts_are_steps(browser: Browser, make: Make) -> None:
    """Arrow keys go from part to part and say what is held; the address names the part."""
    path = make("run race-tlb-window --release 6.12")
    browser.open(path, "step=3")
    browser.press(*["right"] * 6)
    assert browser.text(".count") == "3 / 4, part 6 / 10"
    said = browser.text("#said")
    assert said == browser.text(".lanes .held")
    assert "zap_pte_range" in said
    assert "Locks held: left mmap_lock A w; a TLB is stale. Breaks I5-tlb." in said
    assert browser.run("location.hash") == "#step=3&part=6"
    assert len(browser.all(".part.late")) == 4
    browser.driver.refresh()
    assert browser.text(".part.here .nth") == "6"
    browser.press(*["right"] * 5)
    assert step(browser) == "4 / 4: all processes are gone"
    browser.open(path, "step=3&part=99")
    assert browser.text(".part.here .nth") == "10"
    browser.all(".part")[1].click()
    assert browser.run("location.hash") == "#step=3&part=2"
    browser.press("left", "left", "left")
    assert step(browser).startswith("2 / 4")
