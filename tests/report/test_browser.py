"""Pages in headless Chromium, opened from a file and without a network: no complaints, and what is clicked happens."""

from __future__ import annotations

from pathlib import Path

from tests.report.conftest import Look, recorded, single
from tests.report.test_audit import doubts
from tests.report.test_comparison import COMPARISON
from tests.report.test_page import EVIL, probable

from earmark import report as reports
from earmark.evaluation.clips import measure
from earmark.report.excerpt import places


def test_the_browser_tells_of_what_a_page_must_not_do(look: Look) -> None:
    page = reports.page_of_comparison(COMPARISON, "t")
    bad = page.replace("</main>", '<img src="http://example.org/x.png"><script>window.taken = 1</script></main>')
    seen = look(bad, "out.push(window.taken ?? null);")
    assert seen.found == [None]  # a script that is not the page's own does not run
    assert any("Loading the image 'http://example.org/x.png' violates" in line for line in seen.console)
    assert any("inline script violates" in line for line in seen.console)


def test_an_evaluation(look: Look, tmp_path: Path) -> None:
    scores, manifest = single(strength=0.5)
    scores, manifest = probable(scores), recorded(tmp_path, manifest)
    report = measure(scores, manifest, "one", resamples=20)
    page = reports.page_of_evaluation(report, EVIL, scores=scores, manifest=manifest)
    row, column = next(
        (report.tags.index(t), report.tags.index(a))
        for w in report.worst
        for t in report.tags
        for a in report.tags
        if (t.tag, a.tag) == (w.truth, w.answered)
    )
    seen = look(
        page,
        f"""
        const tags = () => [...document.querySelectorAll('#tags tbody th')].map((c) => c.textContent);
        const heads = [...document.querySelectorAll('#tags thead th')];
        const sort = (i) => {{ heads[i].querySelector('button').click(); out.push([heads.map((h) => h.ariaSort), tags()]) }};
        sort(2); sort(2); sort(0);
        const choice = document.getElementById('tag');
        choice.value = '2'; choice.dispatchEvent(new Event('change'));
        out.push([document.getElementById('curve-told').textContent,
          document.getElementById('curve').getAttribute('d') === JSON.parse(document.getElementById('data').textContent).curves[2].d]);
        const cells = [...document.querySelectorAll('#matrix tbody tr')].map((r) => [...r.querySelectorAll('td')]);
        cells[0][0].focus(); press(cells[0][0], 'End'); press(document.activeElement, 'ArrowDown');
        out.push([document.activeElement === cells[1][3], cells.flat().filter((c) => c.tabIndex === 0).length,
          document.getElementById('cell-told').textContent]);
        press(cells[{row}][{column}], 'Enter');
        out.push([document.querySelectorAll('.clip').length - hidden(), document.getElementById('filter').textContent]);
        document.querySelector('#filter button').click(); out.push(hidden());
        const player = document.querySelector('audio');
        await new Promise((done) => {{ player.onloadedmetadata = player.onerror = done; player.load() }});
        const image = document.querySelector('.scene img');
        out.push([player.error && player.error.message, Math.round(player.duration * 10), image.naturalWidth, image.naturalHeight]);
        out.push([document.title, document.documentElement.scrollWidth <= innerWidth]);
        """,
        "--window-size=500,900",
    )
    assert seen.console == []
    assert seen.asked == []
    by_precision = sorted(report.tags, key=lambda tag: tag.average_precision)
    names = [tag.tag for tag in by_precision]
    rest = ["none"] * 5
    assert seen.found[0] == [["none", "none", "descending", *rest], names[::-1]]
    assert seen.found[1] == [["none", "none", "ascending", *rest], names]
    assert seen.found[2] == [["ascending", "none", "none", *rest], sorted(names)]
    assert seen.found[3] == ["rain, 10 of 40 clips", True]
    counts = report.confusion
    share = round(100 * counts[1][3] / 10)
    assert seen.found[4] == [True, 1, f"rain answered as saw: {counts[1][3]} of 10 ({share} %)"]
    truth, answer = report.tags[row].tag, report.tags[column].tag
    listed = sum((w.truth, w.answered) == (truth, answer) for w in report.worst)
    assert seen.found[5][0] == listed > 0
    assert seen.found[5][1].startswith(f"{truth} answered as {answer}: {counts[row][column]} of 10")
    assert f"{listed} listed here." in seen.found[5][1]
    assert seen.found[6] == 0
    error, tenths, width, height = seen.found[7]
    assert error is None
    assert 10 <= tenths <= 12  # a second, and what MP3 adds
    assert (width, height) == (51, 96)
    assert seen.found[8] == [f"{EVIL} · earmark", True]


def test_a_comparison_in_the_dark(look: Look) -> None:
    page = reports.page_of_comparison(COMPARISON, "t")
    script = """
    const names = () => [...document.querySelectorAll('#systems tbody th')].map((c) => c.textContent);
    const button = document.querySelectorAll('#systems th button')[2];
    button.click(); out.push(names()); button.click(); out.push(names());
    out.push(getComputedStyle(document.body).backgroundColor);
    """
    light, dark = look(page, script), look(page, script, "--blink-settings=preferredColorScheme=0")
    for seen in (light, dark):
        assert (seen.console, seen.asked) == ([], [])
        assert seen.found[:2] == [["one", "two|<b>"]] * 2  # the one without a value stays last
    assert light.found[2] == "rgb(252, 251, 249)"
    assert dark.found[2] == "rgb(21, 24, 27)"


def test_an_audit(look: Look, tmp_path: Path) -> None:
    manifest = recorded(tmp_path, single(8)[1])
    page = reports.page_of_audit(doubts(9), EVIL, places(manifest))
    seen = look(
        page,
        """
        document.querySelectorAll('#table th button')[4].click(); document.querySelectorAll('#table th button')[4].click();
        out.push(document.querySelector('#table tbody th').textContent, document.querySelectorAll('audio').length);
        """,
    )
    assert (seen.console, seen.asked) == ([], [])
    assert seen.found == ["audio/c08.wav", 8]
