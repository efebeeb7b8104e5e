"""The static site: what it weighs, what it says, and what it withstands; in a real browser where there is one."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgmld_bench.errors import DataError, UsageError
from dgmld_bench.leaderboard import plots, site
from dgmld_bench.leaderboard.model import Board, Rank, TrackBoard, Value
from dgmld_bench.leaderboard.project import BIBTEX, keepers, repository_address
from dgmld_bench.leaderboard.server import make_server
from dgmld_bench.leaderboard.tables import results_csv
from dgmld_bench.leaderboard.views import SplitView
from dgmld_bench.sources import all_sources
from dgmld_bench.splits import get_track
from dgmld_bench.text import clean, web_link
from tests import board_fixtures
from tests.browser import DESKTOP, PHONE, Visit, axe_source, launch, visit

MAX_PAGE_BYTES = 1_500_000


def read_tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "site"
    site.build_site(board_fixtures.board(12, tracks=("dgmld", "ceph")), folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose pages show everything that a page can: parts of errors and groups of cases, too."""
    folder = tmp_path_factory.mktemp("whole") / "site"
    site.build_site(board_fixtures.taken_apart(board_fixtures.board(12, tracks=("dgmld", "ceph"))), folder)
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "site"
    site.build_site(board_fixtures.board(24, names=board_fixtures.HOSTILE), folder)
    return folder


# --- pages without a browser ---------------------------------------------------------------------------------------


def test_same_board_same_bytes(small: Path, tmp_path: Path) -> None:
    site.build_site(board_fixtures.board(12, tracks=("dgmld", "ceph")), tmp_path / "again")
    assert read_tree(tmp_path / "again") == read_tree(small)


def test_every_link_leads_to_a_page(small: Path) -> None:
    class Links(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.hrefs: list[str] = []
            self.ids: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            self.ids += [given["id"]] if given.get("id") else []
            self.hrefs += [given["href"] or ""] if tag == "a" and "href" in given else []

    parsed = {}
    for path in small.rglob("*.html"):
        parsed[path.resolve()] = links = Links()
        links.feed(path.read_text("utf-8"))
        assert len(links.ids) == len(set(links.ids)), f"{path}: an id appears twice"
    splits = sum(len(track.tests) for track in (get_track("dgmld"), get_track("ceph")))
    assert len(parsed) == 1 + 2 + 2 + 2 * splits + 24
    project = {"about.html#data", "about.html#submitting", "about.html#citing", "docs/index.html", "results.csv"}
    for path, links in parsed.items():
        up = "../" * (len(path.relative_to(small.resolve()).parts) - 1)
        assert {up + target for target in project} <= set(links.hrefs), path
        assert f"{up}../../" in links.hrefs  # the checkout, where the repository's address is not known
        for href in set(links.hrefs) - {f"{up}../../"}:
            if not href.startswith("https://"):
                file, _, fragment = href.partition("#")
                target = (path.parent / file).resolve() if file else path
                assert target in parsed or target == (small / "results.csv").resolve(), f"{path.name}: {href}"
                assert not fragment or "=" in fragment or fragment in parsed[target].ids


def test_the_keepers_are_the_authors_of_the_software_not_of_the_paper(tmp_path: Path) -> None:
    assert keepers(tmp_path) == ()
    text = "authors:\n  - name: The developers\n  - name: 'Ada'\npreferred-citation:\n  authors:\n    - name: Gong\n"
    (tmp_path / "CITATION.cff").write_text(text)
    assert keepers(tmp_path) == ("The developers", "Ada")
    assert keepers(Path(__file__).parents[1])


def test_the_repository_is_linked_where_its_citation_names_it(tmp_path: Path) -> None:
    assert repository_address(tmp_path) is None
    (tmp_path / "CITATION.cff").write_text("preferred-citation:\n  repository-code: https://example.org/paper\n")
    assert repository_address(tmp_path) is None
    (tmp_path / "CITATION.cff").write_text('title: x\nrepository-code: "https://example.org/me/bench"\n')
    address = repository_address(tmp_path)
    assert address == "https://example.org/me/bench"
    pages = dict(site.render(replace(board_fixtures.board(2), repository=address)))
    assert all(f'href="{address}"' in text for path, text in pages.items() if path.endswith(".html"))


def test_the_front_page_answers_its_question_for_each_centre_away() -> None:
    track = board_fixtures.board(8).tracks[0]
    lfc, feta = track.splits
    rows = [r for r in lfc.rows if r.rank and r.selection == "target-val"]
    ranks = [Rank(n, 1 if n < len(rows) else 2, len(rows), 1) for n in range(1, len(rows) + 1)]
    ranked = tuple(replace(r, rank=rank) for r, rank in zip(rows, ranks, strict=True))
    shown = replace(track, splits=(replace(lfc, rows=ranked), feta))
    page = dict(site.render(Board(1, (shown,))))["index.html"]
    answers = re.search(r'<ul class="answers">(.*?)</ul>', page, re.DOTALL)
    assert answers and set(re.findall(r"splits/(\w+).html", answers[1])) == {"lfc", "feta"}
    assert f"{len(rows) - 2} of {len(rows) - 1} others may be as good" in answers[1]


def test_the_citation_is_that_of_the_readme() -> None:
    root = Path(__file__).parents[1]
    assert BIBTEX in (root / "README.md").read_text("utf-8")
    title = re.search(r"title     = {(.*)}", BIBTEX)
    assert title and title[1] in (root / "CITATION.cff").read_text("utf-8")


def test_where_to_get_the_data_of_every_split(small: Path) -> None:
    text = (small / "about.html").read_text("utf-8")
    for source in all_sources():
        for split in source.gives:
            assert split.name in text and f'id="source-{source.name}"' in text
    assert "`" not in re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)


def test_page_weight_with_200_submissions(tmp_path: Path) -> None:
    site.build_site(board_fixtures.taken_apart(board_fixtures.board(200)), tmp_path / "site")
    sizes = {name: len(data) for name, data in read_tree(tmp_path / "site").items()}
    assert sum(name.endswith(".html") for name in sizes) == 1 + 2 + 1 + 2 * 2 + 200
    assert len([name for name in sizes if name.startswith("figures/")]) == 2 * 2
    assert max(sizes.values()) < MAX_PAGE_BYTES


def test_hostile_text_is_only_text(hostile: Path) -> None:
    for name, data in read_tree(hostile).items():
        text = data.decode("utf-8")
        if name == "results.csv":  # a table of text, no page
            continue
        assert text.count("<script") == (2 if name.startswith("compare/") else name.endswith(".html"))
        assert not re.search(r"<(img|iframe|object|embed)\b|href=\"\s*javascript|\son\w+=\"", text)
        assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\x00-\x09\x0b-\x1f]", text)
        assert len(data) < 400_000


def test_the_numbers_behind_the_pages_lie_beside_them(small: Path) -> None:
    board = board_fixtures.board(12, tracks=("dgmld", "ceph"))
    assert (small / "results.csv").read_text("utf-8") == results_csv(board)


def test_a_mark_is_of_the_best_within_one_protocol() -> None:
    track = board_fixtures.board(8).tracks[0]
    board = track.splits[0]
    lower = {"target-val": 2.0, "source-val": 1.0}
    rows = tuple(replace(r, landmarks=(Value(lower[r.selection or ""]),) * 6) for r in board.rows if r.rank)
    view = SplitView(replace(board, rows=rows), track)
    assert view.best_landmarks("target-val").tolist() == [2.0] * 6
    assert view.best_landmarks("source-val").tolist() == [1.0] * 6
    assert np.isnan(view.best_landmarks("none")).all()


def test_an_empty_board_has_a_front_page(tmp_path: Path) -> None:
    site.build_site(Board(1, ()), tmp_path / "nothing")
    assert (tmp_path / "nothing/index.html").is_file()
    board = board_fixtures.board(2)
    track = board.tracks[0]
    empty = TrackBoard(get_track("dgmld"), tuple(replace(s, rows=()) for s in track.splits))
    site.build_site(Board(1, (empty,)), tmp_path / "norows")
    assert "nothing ranked yet" in (tmp_path / "norows/index.html").read_text("utf-8")


def test_two_submissions_cannot_share_a_page(tmp_path: Path) -> None:
    board = board_fixtures.board(2)
    track = board.tracks[0]
    rows = list(track.splits[0].rows)
    assert rows[1].submission is not None
    rows[1] = replace(rows[1], submission=replace(rows[1].submission, id="BASELINE-unet"))
    twice = Board(1, (replace(track, splits=(replace(track.splits[0], rows=tuple(rows)),)),))
    with pytest.raises(DataError, match=r"share the page submissions/dgmld/baseline-unet\.html"):
        site.build_site(twice, tmp_path / "site")
    assert list(tmp_path.iterdir()) == []


def test_build_takes_the_place_of_an_old_site_only(tmp_path: Path) -> None:
    board, folder = board_fixtures.board(2), tmp_path / "site"
    site.build_site(board, folder)
    (folder / "submissions/dgmld/gone.html").write_text("a submission that is no more")
    site.build_site(board, folder)
    assert not (folder / "submissions/dgmld/gone.html").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["site"]
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter.txt").write_text("years of work")
    with pytest.raises(DataError, match="not a site built by dgmld-bench"):
        site.build_site(board, precious)
    assert (precious / "chapter.txt").read_text() == "years of work"


def test_a_failed_build_leaves_the_old_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, folder = board_fixtures.board(2), tmp_path / "site"
    site.build_site(board, folder)
    before = read_tree(folder)

    def broken(board: Board) -> Iterator[tuple[str, str]]:
        yield "index.html", "half"
        raise RuntimeError("disk full")

    monkeypatch.setattr(site, "render", broken)
    with pytest.raises(RuntimeError):
        site.build_site(board, folder)
    assert read_tree(folder) == before
    assert [p.name for p in tmp_path.iterdir()] == ["site"]


def test_there_is_a_site_at_every_moment_of_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site"
    site.build_site(board_fixtures.board(2), folder)
    looked = []

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("os.rename", "os.remove", "os.rmdir"):
            looked.append((folder / "index.html").is_file())

    watching = True
    sys.addaudithook(look)
    site.build_site(board_fixtures.board(3), folder)
    watching = False
    assert len(looked) > 10 and all(looked)
    site.build_site(board_fixtures.board(3), tmp_path / "anew")
    assert read_tree(folder) == read_tree(tmp_path / "anew")


@given(st.text(), st.integers(1, 50))
def test_cleaned_text_is_short_and_visible(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert clean(shown) == shown
    shown.encode("utf-8")
    assert all(c.isprintable() for c in shown)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " https://example.org",
        "https://example.org/\u202egnp",
        "https://user@example.org",
        "data:text/html,x",
        "//example.org",
        "https://",
        "http://[",
        "https://example.org/" + "a" * 600,
        "",
        None,
    ],
)
def test_only_plain_web_addresses_become_links(address: str | None) -> None:
    assert web_link(address) is None


@given(st.recursive(st.text() | st.integers() | st.none(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)))
def test_json_in_a_script_element(value: Any) -> None:
    import json

    text = str(site.script_json(value))
    assert not set("<>&") & set(text)
    assert json.loads(text) == value


# --- plots ---------------------------------------------------------------------------------------------------------


def elements(svg: str, css: str) -> list[ElementTree.Element]:
    return [e for e in ElementTree.fromstring(svg).iter() if css in (e.get("class") or "").split()]


def test_bars_are_as_long_as_the_errors() -> None:
    svg = plots.landmark_bars("k", "title", ["a", "b", "c"], [1.0, 2.0, np.nan], [0.5, np.nan, np.nan], [1.0, 1.0, 1.0])
    short, long = (float(e.get("width", "")) for e in elements(svg, "bar"))
    assert long == pytest.approx(2 * short, abs=0.2)
    assert len(elements(svg, "whisker")) == 1
    assert len(elements(svg, "best")) == 2


def test_sdr_curve_passes_through_its_values() -> None:
    mean = np.linspace(0, 100, 61)
    curve = plots.Curve("r0", "<b>", mean, np.full(61, 5.0))
    svg = plots.sdr_curves("k", "title", [curve])
    (line,) = elements(svg, "curve")
    points = [tuple(map(float, p.split())) for p in line.get("d", "")[1:].split("L")]
    assert points[0] == (42.0, 262.0)
    assert points[-1] == (470.0, 28.0)
    assert len(elements(svg, "band")) == 1
    assert "<b>" in (ElementTree.fromstring(svg).findtext("desc") or "")


def test_rank_plot_draws_each_interval_and_group() -> None:
    bars = [plots.RankBar("a", 1, 1, 2, 1), plots.RankBar("b", 2, 1, 2, 1), plots.RankBar("c", 3, 3, 3, 2)]
    svg = plots.rank_intervals("k", "title", bars)
    assert len(elements(svg, "range")) == len(elements(svg, "dot")) == 3
    assert [e.text for e in elements(svg, "group")] == ["1", "1", "2"]


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 14, 27, 60])
def test_no_rank_is_written_into_the_word_group(n: int) -> None:
    svg = plots.rank_intervals("k", "title", [plots.RankBar("a", r, 1, n, 1) for r in range(1, n + 1)])
    (word,) = (e for e in elements(svg, "label") if e.text == "group")
    begins = float(word.get("x", "")) - 8 * len("group")  # right-aligned, in letters of at most 8 units
    ranks = [e for e in elements(svg, "tick") if "mid" in e.get("class", "").split()]
    assert ranks and all(float(e.get("x", "")) + 4 * len(e.text or "") < begins for e in ranks)


def test_a_mark_beyond_its_scale_is_an_arrow_to_its_side() -> None:
    def drawn(mean: float, interval: tuple[float, float] | None = None) -> tuple[int, list[str]]:
        root = ElementTree.fromstring(str(plots.interval_cell(mean, interval, (1.0, 3.0))))
        return len(list(root.iter("circle"))), [p.get("d", "") for p in root.iter("path")]

    assert drawn(2.0) == (1, [])
    assert drawn(9.0) == (0, ["M72 3L77 7L72 11"])
    assert drawn(0.5) == (0, ["M8 3L3 7L8 11"])
    assert drawn(float("nan")) == (0, [])


def test_histogram_says_what_it_leaves_out() -> None:
    errors = np.concatenate([np.linspace(0, 4, 99), [80.0]])
    svg = plots.error_histogram("k", "title", errors)
    assert "1 of 100 beyond" in svg
    assert "up to 80.0 mm" in svg
    (caption,) = elements(svg, "beyond")
    assert float(caption.get("y", "")) < min(float(e.get("y", "")) for e in elements(svg, "bar")) - 20
    bars = elements(svg, "bar")
    assert len(bars) == len(plots.histogram_edges(errors)) - 1


@pytest.mark.parametrize("largest", [0.3, 0.5, 1.0, 2.0, 7.0, 30.0, 90.0, 400.0])
def test_a_histogram_has_bins_enough_to_show_a_shape_whatever_the_errors_are(largest: float) -> None:
    edges = plots.histogram_edges(np.linspace(0, largest, 200))
    assert 6 <= len(edges) - 1 <= 25 and edges[-1] >= 0.98 * largest


def test_pictures_stand_alone(small: Path) -> None:
    for path in (small / "figures").iterdir():
        root = ElementTree.fromstring(path.read_text("utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        styled = root.findtext("{http://www.w3.org/2000/svg}style") or ""
        assert set(re.findall(r"var\((--[a-z0-9-]+)\)", styled)) <= set(re.findall(r"(--[a-z0-9-]+):", styled))
        assert "url(" not in styled and "@import" not in styled


# --- preview -------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(small: Path) -> Iterator[int]:
    with make_server(small) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


def fetch(port: int, path: str) -> tuple[int, bytes]:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    with connection.getresponse() as response:
        answer = response.status, response.read()
    connection.close()
    return answer


def test_preview_serves_the_site_and_nothing_else(server: int, small: Path) -> None:
    assert fetch(server, "/") == (200, (small / "index.html").read_bytes())
    assert fetch(server, "/splits/feta.html")[0] == 200
    secret = small.parent / "secret.txt"
    secret.write_text("secret")
    (small / "splits/link.txt").symlink_to(secret)
    (small / ".hidden").write_text("secret")
    try:
        for path in (
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/splits/..%2f..%2fsecret.txt",
            "/splits/link.txt",
            "/.hidden",
            "/splits/",
            "/splits",
            "//etc/passwd",
            "/%00",
        ):
            status, body = fetch(server, path)
            assert status in {301, 400, 404}, path
            assert b"secret" not in body.replace(b"secret.txt", b"")
    finally:
        (small / "splits/link.txt").unlink()
        (small / ".hidden").unlink()


def test_preview_listens_on_loopback_and_explains_itself(small: Path, tmp_path: Path) -> None:
    with make_server(small) as running:
        assert running.server_address[0] == "127.0.0.1"
        with pytest.raises(UsageError, match=r"port \d+ cannot be used"):
            make_server(small, running.server_port)
    with pytest.raises(UsageError, match="port 70000"):
        make_server(small, 70000)
    with pytest.raises(DataError, match="leaderboard build"):
        make_server(tmp_path)


# --- a real browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launch() as running:
        yield running


@pytest.fixture
def desktop(browser: Any) -> Iterator[Visit]:
    with visit(browser) as opened:
        yield opened
        opened.calm()


def names(page: Any) -> list[str]:
    """The shown rows of the first group, as "method backbone"."""
    rows = page.locator("tbody").nth(1).locator("tr[data-key]:not([hidden]) th")
    return [" ".join(text.split()) for text in rows.all_inner_texts()]


def column(page: Any, title: str) -> list[float]:
    """The shown values of the first group in one column."""
    place = page.locator("thead th", has_text=title).evaluate("cell => cell.cellIndex") + 1
    cells = page.locator("tbody").nth(1).locator(f"tr[data-key]:not([hidden]) > :nth-child({place})")
    return [float(c.get_attribute("data-v")) for c in cells.all()]


def test_sorting_by_mouse_and_keyboard(desktop: Visit, small: Path) -> None:
    page = desktop.open(small / "splits/feta.html")
    ranks = column(page, "Rank")
    assert ranks == sorted(ranks)
    average = page.locator("th", has_text="Average")
    average.get_by_role("button").click()
    assert average.get_attribute("aria-sort") == "ascending"
    assert column(page, "Average") == sorted(column(page, "Average"))
    page.keyboard.press("Enter")
    assert average.get_attribute("aria-sort") == "descending"
    assert column(page, "Average") == sorted(column(page, "Average"), reverse=True)
    assert page.locator("[aria-sort]").count() == 1
    page.locator("th", has_text="SDR 4").get_by_role("button").click()
    rates = column(page, "SDR 4")
    assert rates == sorted(rates, reverse=True)
    page.locator("thead th").first.get_by_role("button").click()
    methods = [name.split()[0] for name in names(page)]
    assert methods == sorted(methods, key=str.lower)


def test_filtering(desktop: Visit, small: Path) -> None:
    page = desktop.open(small / "splits/feta.html")
    count = page.locator(".count")
    assert count.inner_text() == "16 rows"
    page.get_by_label("Backbone").select_option("vitpose")
    assert names(page)
    assert all("vitpose" in name for name in names(page))
    page.locator("select[data-field=method]").select_option("BaPDG")
    assert [n.split()[0] for n in names(page)] == ["BaPDG"]
    assert count.inner_text() == "1 of 16 rows"
    page.get_by_label("Backbone").select_option("")
    page.get_by_label("Search").fill("reported")
    assert count.inner_text() == "1 of 16 rows"
    assert page.locator("tbody:not([hidden])").count() == 1
    page.get_by_label("Search").fill("no such thing")
    assert count.inner_text() == "0 of 16 rows"


def test_sort_filter_and_columns_are_in_the_address(browser: Any, desktop: Visit, small: Path) -> None:
    page = desktop.open(small / "splits/feta.html")
    page.locator("th", has_text="Average").get_by_role("button").click(click_count=2)
    page.get_by_label("Backbone").select_option("unet")
    page.get_by_label("Search").fill("dg")
    page.get_by_role("button", name="Landmarks").click()
    fragment = page.evaluate("location.hash")
    assert fragment == "#sort=average&order=descending&backbone=unet&search=dg&columns=landmarks"
    shown = names(page)
    with visit(browser) as sent:  # to somebody else
        other = sent.open(small / "splits/feta.html", fragment)
        assert names(other) == shown and len(shown) > 1
        assert other.locator("thead th", has_text="HDV1").is_visible()
        assert other.locator("th", has_text="Average").get_attribute("aria-sort") == "descending"
        other.evaluate("location.hash = '#backbone=vitpose&sort=nonsense&columns=%3Cb%3E'")
        other.wait_for_function("document.querySelector('select[data-field=backbone]').value === 'vitpose'")
        assert all("vitpose" in name for name in names(other))
        sent.calm()


def test_column_sets_and_lit_curves(desktop: Visit, small: Path) -> None:
    page = desktop.open(small / "splits/feta.html")
    landmark = page.locator("thead th", has_text="HDV1")
    assert not landmark.is_visible()
    page.get_by_role("button", name="Landmarks").click()
    assert landmark.is_visible()
    row = page.locator("tbody tr[data-key]").nth(2)
    row.hover()
    assert page.locator(".curve.lit").get_attribute("data-key") == row.get_attribute("data-key")


def test_opening_a_submission(desktop: Visit, small: Path) -> None:
    page = desktop.open(small / "index.html")
    page.get_by_role("link", name="feta").first.click()
    page.locator("tbody").nth(1).get_by_role("link", name="BaPDG").first.click()
    assert page.locator("h1").inner_text() == "BaPDG"
    assert page.locator("svg[role=img]").count() == 6
    links = page.locator("dl.provenance a")
    assert [a.get_attribute("rel") for a in links.all()] == ["noopener nofollow ugc"] * 2
    page.get_by_role("link", name="Compare case by case on feta").click()
    assert page.get_by_label("Method A").locator("option:checked").inner_text() == "BaPDG · unet"


def test_comparison_says_what_the_errors_say(desktop: Visit, small: Path) -> None:
    board = board_fixtures.board(12, tracks=("dgmld", "ceph"))
    rows = {row.id: row for row in board.tracks[0].splits[1].rows}
    a, b = rows["bapdg-unet"], rows["baseline-unet"]
    per_case = [np.asarray(r.errors_mm).mean(axis=(0, 2)) for r in (a, b)]
    page = desktop.open(small / "compare/feta.html", "#a=bapdg-unet&b=baseline-unet")
    verdict = page.locator(".verdict")
    difference = f"{np.mean(per_case[0] - per_case[1]):.2f}".replace("-", "−")
    assert f"A − B is {difference} mm" in verdict.inner_text()
    assert f"A is better in {np.sum(per_case[0] < per_case[1])} of 55 cases" in verdict.inner_text()
    assert "BaPDG · unet has the smaller error than Baseline · unet" in verdict.inner_text()
    low, high = (float(v.replace("−", "-")) for v in re.findall(r"[−+]\d+\.\d+", verdict.inner_text())[1:3])
    from dgmld_bench.scoring.statistics import paired_difference

    interval = paired_difference(a.errors_mm, b.errors_mm, board.tracks[0].splits[1].spread).ci95_mm
    assert interval is not None
    assert (low, high) == pytest.approx(interval, abs=0.006)
    assert page.locator("circle.scatter").count() == 55
    said = page.locator("circle.scatter title").first.text_content()
    assert said == f"Case {a.cases[0]}: A {per_case[0][0]:.2f} mm, B {per_case[1][0]:.2f} mm"
    page.locator("circle.scatter").first.dispatch_event("click")
    assert page.locator(".point").inner_text() == said
    farthest = np.argmax(np.abs(per_case[0] - per_case[1]))
    assert page.locator(".apart").inner_text().startswith(f"Farthest apart, A − B in mm: {a.cases[farthest]} (")
    first = page.locator(".comparison tbody tr").nth(1).locator("td").first
    assert first.inner_text() == f"{np.asarray(a.errors_mm).mean(axis=(0, 1))[0]:.2f}"
    assert "They are ranked apart" not in verdict.inner_text()
    page.get_by_role("button", name="Swap").click()
    assert page.get_by_label("Method A").locator("option:checked").inner_text() == "Baseline · unet"
    assert f"A − B is {difference.replace('−', '+')} mm" in verdict.inner_text()
    assert page.url.endswith("#a=baseline-unet&b=bapdg-unet")
    page.get_by_label("Method B").select_option(label="SegDG · unet")
    assert "They are ranked apart: A was selected by target-val, B by source-val." in verdict.inner_text()


def test_comparison_says_which_part_the_difference_is(desktop: Visit, whole: Path, small: Path) -> None:
    from dgmld_bench.scoring.parts_table import PARTS

    board = board_fixtures.taken_apart(board_fixtures.board(12, tracks=("dgmld", "ceph")))
    rows = {row.id: row for row in board.tracks[0].splits[1].rows}
    a, b = (rows[name].parts for name in ("bapdg-unet", "baseline-unet"))
    assert a is not None and b is not None
    apart = a.squared_mm2 - b.squared_mm2
    page = desktop.open(whole / "compare/feta.html", "#a=bapdg-unet&b=baseline-unet")

    def said(value: float) -> str:
        return f"{value:+.2f}".replace("-", "−")

    lines = [row.inner_text().split("\t") for row in page.locator(".made tbody tr").all()]
    assert [line[0] for line in lines] == [*(f"{part}, mm²" for part in PARTS), "all, mm²", "MRE without offset, mm"]
    assert [line[3] for line in lines[:3]] == [said(v) for v in apart]
    assert lines[3][1:] == [f"{a.squared_mm2.sum():.2f}", f"{b.squared_mm2.sum():.2f}", said(apart.sum())]
    rest = [float(p.mre_without_offset_mm.mean()) for p in (a, b)]
    assert lines[4][1:3] == [f"{v:.2f}" for v in rest]
    most = int(np.abs(apart).argmax())
    assert page.locator(".made tr.best th").inner_text() == f"{PARTS[most]}, mm²"
    landmark = a.by_landmark_mm2[2] - b.by_landmark_mm2[2]
    most = int(np.abs(landmark).argmax())
    cells = page.locator(".comparison tbody").first.locator("tr").nth(3).locator("td")
    assert cells.last.inner_text() == f"{PARTS[most]} {said(landmark[most])}"
    page.get_by_label("Method A").select_option(label="Baseline · unet")  # with itself
    assert not page.locator(".made").is_visible() and not page.locator(".mostly").is_visible()
    page = desktop.open(small / "compare/feta.html")  # a board that does not know it
    assert not page.locator(".made").is_visible() and not page.locator(".mostly").is_visible()
    assert page.locator(".comparison tbody tr").nth(1).locator("td").count() == 3


def test_dark_by_system_and_by_hand(browser: Any, small: Path) -> None:
    def paper(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    with visit(browser, dark=True) as opened:
        page = opened.open(small / "index.html")
        dark = paper(page)
        page.get_by_role("button", name="Use the light theme").click()
        light = paper(page)
        page.reload()
        page.wait_for_function(
            "light => getComputedStyle(document.documentElement).backgroundColor === light", arg=light
        )
        assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 150 < 600 < sum(map(int, re.findall(r"\d+", light)[:3]))
        opened.calm()


PAGES = (
    "index.html",
    "about.html",
    "docs/index.html",
    "paper/dgmld.html",
    "splits/feta.html",
    "compare/feta.html",
    "submissions/dgmld/bapdg-unet.html",
    "splits/isbi.html",
    "compare/isbi.html",
    "submissions/ceph/bapdg-unet.html",
)

HEADINGS = {
    "splits": ("What the errors are made of", "By group of cases"),
    "compare": ("What the difference is made of",),
    "submissions": ("What the errors are made of",),
}
"""What pages show of a board that knows everything."""


def test_no_column_that_decides_is_cut_off_on_a_tablet(browser: Any, small: Path) -> None:
    with visit(browser, size=(800, 900)) as opened:
        page = opened.open(small / "index.html")
        for box in page.locator(".scroll").all():
            assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0
        page = opened.open(small / "splits/isbi.html")
        for title in ("Rank", "Group", "Average", "95 % interval", "Average of"):
            box = page.locator("thead th", has_text=title).first.bounding_box()
            shown = page.locator(".scroll").first.bounding_box()
            assert box["x"] + box["width"] <= shown["x"] + shown["width"], title
        opened.calm()


@pytest.mark.parametrize("name", PAGES)
def test_phone(browser: Any, whole: Path, name: str) -> None:
    with visit(browser, size=PHONE) as opened:
        page = opened.open(whole / name)
        assert opened.body_overflow() == 0
        assert opened.cut_labels() == []
        if name.startswith("splits"):
            page.locator(".scroll").first.evaluate("box => { box.scrollLeft = 300; }")
            first = page.locator("tbody th.sticky").first.bounding_box()
            assert 0 <= first["x"] < 40
        opened.calm()


def test_tables_are_there_without_scripts(browser: Any, small: Path) -> None:
    with visit(browser, scripts=False) as opened:
        page = opened.open(small / "splits/feta.html")
        assert page.locator("tbody tr[data-key]").count() == 16
        assert page.locator("thead th", has_text="HDV1").is_visible()
        assert not page.locator(".controls").is_visible()
        assert not page.locator(".theme").is_visible()
        opened.open(small / "compare/feta.html")
        assert "dgmld-bench compare" in page.locator("main").inner_text()


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_hostile_text_neither_runs_nor_breaks_the_page(browser: Any, hostile: Path, size: tuple[int, int]) -> None:
    entries = sorted((hostile / "submissions/dgmld").iterdir())
    with visit(browser, size=size) as opened:
        for file in (
            hostile / "index.html",
            hostile / "splits/feta.html",
            hostile / "compare/feta.html",
            hostile / "paper/dgmld.html",
            *entries[:12],
        ):
            page = opened.open(file)
            assert page.evaluate("window.pwned") is None
            assert opened.body_overflow() == 0, file.name
            assert opened.cut_labels() == [], file.name
            tallest = page.evaluate(
                "Math.max(0, ...[...document.querySelectorAll('tr, h1, h2')].map(e => e.offsetHeight))"
            )
            assert tallest < 200, file.name
        page = opened.open(hostile / "splits/feta.html")
        hrefs = page.evaluate("[...document.links].map(a => a.protocol)")
        assert set(hrefs) == {"file:"}
        for button in page.locator("thead button").all()[:3]:
            button.click()
        opened.calm()


@pytest.mark.parametrize("dark", [False, True], ids=["light-desktop", "dark-phone"])
def test_accessibility(browser: Any, whole: Path, tmp_path_factory: pytest.TempPathFactory, dark: bool) -> None:
    source = axe_source(tmp_path_factory.getbasetemp())
    with visit(browser, size=PHONE if dark else DESKTOP, dark=dark) as opened:
        for name in PAGES:
            page = opened.open(whole / name)
            shown = page.locator("main").inner_text()
            assert all(heading in shown for heading in HEADINGS.get(name.split("/")[0], ())), name
            page.evaluate(source)  # the page's own policy refuses a script element
            result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
            assert "color-contrast" in {rule["id"] for rule in result["passes"]}
            found = [
                f"{name}: {v['id']} ({v['impact']}): {v['nodes'][0]['html'][:200]}"
                for v in result["violations"]
                if v["impact"] in {"serious", "critical"}
            ]
            assert not found, "\n".join(found)


def test_works_from_a_web_server(browser: Any, server: int) -> None:
    with visit(browser) as opened:
        opened.page.goto(f"http://127.0.0.1:{server}/")
        opened.page.get_by_role("link", name="feta").first.click()
        opened.page.wait_for_load_state()
        assert opened.page.locator("tbody tr[data-key]").count() == 16
        assert opened.errors == []
        assert all(url.startswith(f"http://127.0.0.1:{server}/") for url in opened.strayed)
