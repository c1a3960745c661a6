"""The report's page in a browser: its first screen, tables, commands, themes and accessibility."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from fake_report import COMMAND, LEADERBOARD, MODELS, SETS, column, scores_of


def test_first_screen_says_who_leads_and_by_how_much(opened):
    page = opened()
    top = page.locator(".standing:visible")
    assert page.locator("h1").inner_text() == "3 methods on 60 images of Tiny & small"
    assert top.locator(".who").inner_text() == "Better"
    assert f"{scores_of('better', 'bicubic').mean():.2f} dB PSNR-Y" in top.inner_text()
    assert "Better is first, ahead of Bicubic by 0.795 dB" in top.inner_text()
    assert "Its cost: 0.380 M parameters, 20.0 ms" in top.inner_text()
    assert "Bicubic\n0.000 M parameters, 1.0 ms" in top.locator("tbody").inner_text()


def test_the_page_goes_from_the_answer_to_the_details(opened):
    page = opened()
    sections = page.locator("section[id]").evaluate_all("all => all.map((section) => section.id)")
    assert sections == [
        *("top", "results", "cost", "figures", "compare", "images", "tables", "further", "protocol", "provenance")
    ]
    page.select_option("#set", "tiny/x4-hard")
    titles = page.locator("figure img:visible").evaluate_all("all => all.map((image) => image.alt)")
    assert titles == ["Distributions: Tiny & small, x4, hard", "Win rate: Tiny & small, x4, hard", "mLSTM growth"]


def test_labels_are_text_whatever_is_in_them(opened):
    page = opened()
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    assert MODELS["other"] in page.locator(LEADERBOARD).inner_text()
    assert MODELS["other"] in page.locator("#image-table thead").inner_text()
    page.select_option("#left", "other")
    assert page.locator("#left-tag").inner_text() == MODELS["other"]


def test_tables_are_sorted_and_filtered(opened):
    page = opened()
    assert column(page, LEADERBOARD, 1) == list(MODELS.values())
    title = page.locator(f"{LEADERBOARD} thead th").nth(1)
    for direction, expected in (
        ("descending", ["Better", "Bicubic", MODELS["other"]]),
        ("ascending", [MODELS["other"], "Bicubic", "Better"]),
    ):
        title.get_by_role("button").click()
        assert title.get_attribute("aria-sort") == direction
        assert column(page, LEADERBOARD, 1) == expected
    title.get_by_role("button").click()
    assert title.get_attribute("aria-sort") is None
    assert column(page, LEADERBOARD, 1) == list(MODELS.values())
    page.locator("#image-filter").fill("WOOD")
    assert len(column(page, "#image-table", 1)) == 30
    assert all(name.startswith("aWood") for name in column(page, "#image-table", 1))


def test_intervals_are_drawn_in_the_leaderboards_alone(opened):
    page = opened()
    assert page.locator(f"{LEADERBOARD} .interval:visible").count() == len(MODELS)
    assert page.locator("#results figure.bars").count() == len(SETS)
    assert page.locator("#cost .interval").count() == len(MODELS)
    assert page.locator("#cost .interval:visible").count() == 0
    assert page.locator(".standing:visible .interval:visible").count() == len(MODELS) - 1


def test_what_is_cut_has_a_hint(opened):
    page = opened(390)
    page.locator("details").evaluate_all("all => all.forEach((details) => (details.open = true))")
    cut = page.evaluate("""[...document.querySelectorAll('main *, nav *')].filter((element) => {
        const pictured = element.closest('#stage, .frame, .clip, select, input');
        const style = getComputedStyle(element);
        return !pictured && style.overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1;
      }).map((element) => [element, getComputedStyle(element)])
      .map(([element, style]) => [element.className, style.overflowX, style.backgroundImage])
    """)
    assert len(cut) > 3 and all({"sections", "scroll"} & set(name.split()) for name, *_ in cut)
    assert all(overflow == "auto" and hint.count("linear-gradient") == 4 for _, overflow, hint in cut)


@pytest.mark.parametrize("clipboard", [True, False])
def test_a_command_is_copied(opened, clipboard):
    page = opened()
    page.evaluate(
        "(works) => Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (text) => {"
        "  if (!works) throw new Error('not allowed'); window.copied = text; }}})",
        clipboard,
    )
    page.evaluate("document.addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    page.locator(f"{LEADERBOARD} tbody tr").nth(1).get_by_role("button").click()
    page.wait_for_function("window.copied !== undefined")
    assert page.evaluate("window.copied") == COMMAND
    assert page.locator("#toast").inner_text() == f"Copied: {COMMAND}"


def test_theme_is_switched_and_remembered(opened):
    page = opened(theme="dark")
    paper = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    dark, switch = paper(), page.locator("#theme")
    assert switch.inner_text() == "Light colours"
    switch.click()
    assert paper() != dark and switch.inner_text() == "Dark colours"
    light = paper()
    page.reload()
    assert paper() == light
    assert opened(theme="light").evaluate("getComputedStyle(document.body).backgroundColor") == light


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_page_and_all_is_accessible(opened, theme):
    for width in (390, 1024, 1920):
        page = opened(width, theme)
        page.locator("details").evaluate_all("all => all.forEach((details) => (details.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        if width != 1024:
            # Its preload asks for the style sheet by XMLHttpRequest, which files may not.
            results = Axe().run(page, options={"resultTypes": ["violations"], "preload": False})
            assert results.violations_count == 0, results.generate_report()
