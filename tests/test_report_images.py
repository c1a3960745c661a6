"""The report's viewer in a browser: images side by side, zoomed, sorted and addressed."""

import io

import numpy as np
import pytest
from fake_report import MODELS, NAMES, SETS, column
from PIL import Image

from rssr.base.files import read_image


def test_images_are_sorted_by_the_difference_of_two_methods(opened):
    page = opened()
    assert column(page, "#image-table", 1) == NAMES[:9:-1]  # 50 of 60, the largest difference first
    assert column(page, "#image-table", 2)[0] == "+1.09"
    page.get_by_role("button", name="Show all").click()
    assert column(page, "#image-table", 1) == NAMES[::-1]
    page.locator("#image-table thead button").nth(1).click()
    assert column(page, "#image-table", 1) == NAMES
    page.locator("#image-table thead button").nth(1).click()
    for expected in (NAMES, NAMES[::-1], NAMES[::-1]):
        page.locator("#image-table thead button").first.click()
        assert column(page, "#image-table", 1) == expected
    page.locator("#image-table thead button").nth(1).click()
    page.select_option("#subtrahend", "other")
    assert column(page, "#image-table", 2)[0] == "+1.50"
    page.locator("#image-table tbody tr.opens").first.click()
    assert page.locator("#left").input_value() == "other"
    assert page.locator("#right").input_value() == "better"
    assert (
        page.locator("#image").input_value()
        == page.locator("#image-table tbody tr.opens").first.inner_text().split()[0]
    )


def test_divider_follows_the_pointer_and_the_keys(opened):
    page = opened()
    slider = page.get_by_role("slider")
    value = lambda: int(slider.get_attribute("aria-valuenow"))  # noqa: E731
    assert value() == 50
    slider.scroll_into_view_if_needed()
    box, stage = slider.bounding_box(), page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] / 4, box["y"] + 20)
    page.mouse.up()
    assert value() == 25
    clip = page.evaluate("getComputedStyle(document.querySelector('.clip')).clipPath")
    assert clip == "inset(0px 0px 0px 25%)"
    slider.focus()
    for key, expected in (
        ("ArrowRight", 27),
        ("ArrowLeft", 25),
        ("PageUp", 35),
        ("End", 100),
        ("ArrowUp", 100),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        assert value() == expected
    assert slider.get_attribute("aria-valuetext") == "0 % Bicubic, 100 % Better"


def test_zoom_and_pan_are_the_same_for_every_method(opened):
    page = opened()

    def transforms() -> set[str]:
        # Of images of different sizes: in parts of their own.
        script = """[...document.querySelectorAll('#stage img, #difference img, #contact img')].map((image) => {
          const {a, e, f} = new DOMMatrix(getComputedStyle(image).transform);
          return [a, e / image.offsetWidth, f / image.offsetHeight].map((x) => x.toFixed(2)).join(' ');
        })"""
        found = page.evaluate(script)
        assert len(found) == 2 + 2 + len(MODELS) + 2
        return set(found)

    assert transforms() == {"1.00 0.00 0.00"}
    page.get_by_role("slider").focus()
    page.keyboard.press("+")
    assert transforms() == {"1.50 -0.25 -0.25"}  # about the middle
    page.keyboard.press("Shift+ArrowRight")
    assert transforms() == {"1.50 -0.35 -0.25"}
    page.locator("#stage").scroll_into_view_if_needed()
    stage = page.locator("#stage").bounding_box()
    x, y = stage["x"] + stage["width"] * 0.8, stage["y"] + stage["height"] * 0.5
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + stage["width"] * 0.1, y + stage["height"] * 0.2)
    page.mouse.up()
    assert transforms() == {"1.50 -0.25 -0.05"}
    assert page.get_by_role("slider").get_attribute("aria-valuenow") == "50"  # the image was dragged, not the divider
    for _ in range(12):
        page.locator("#zoom-in").click()
    assert page.locator("#zoom").inner_text() == "32.0 ×"
    page.locator("#fit").click()
    assert transforms() == {"1.00 0.00 0.00"}


def test_any_pair_can_be_compared(opened):
    page = opened()
    page.select_option("#left", "LR")
    page.select_option("#right", "HR")
    shown = [page.locator(f"#{side}-image").evaluate("image => image.src") for side in ("left", "right")]
    assert "/tiny/x4-bicubic/LR/" in shown[0] and shown[0].endswith(".png") and "/tiny/HR-x4/" in shown[1]
    page.get_by_label("Swap left and right").click()
    assert page.locator("#left-tag").inner_text() == "HR"
    page.locator("#contact button").nth(2).click()
    assert page.locator("#right-tag").inner_text() == "Better"
    page.select_option("#set", "tiny/x4-hard")
    assert page.locator("#left-image").evaluate("image => image.src").find("/tiny/x4-hard/bicubic/") > 0
    assert page.locator(".standing:visible h2").inner_text() == SETS[1].title
    assert page.locator("#figures figure:visible").count() == 1
    page.select_option("#set", "tiny/x4-bicubic")
    assert page.locator("#figures figure:visible").count() == 0


def test_the_difference_of_both_sides_is_drawn(opened, rendered):
    page = opened()
    frame = page.locator("#difference .frame")

    def drawn() -> float:
        page.wait_for_function("[...document.querySelectorAll('#difference img')].every((image) => image.complete)")
        pixels = np.asarray(Image.open(io.BytesIO(frame.screenshot())).convert("RGB"), float)
        return float(pixels[9:-9, 9:-9].mean())  # without the round corners

    assert drawn() == 0  # every method has the same images
    page.select_option("#right", "HR")
    page.select_option("#gain", "1")
    name = page.locator("#image").input_value()
    hr = read_image(rendered / f"results/data/tiny/test/HR-x4/{name}.png").astype(float)
    expected = (hr - hr // 2).mean()
    assert drawn() == pytest.approx(expected, abs=3)
    page.select_option("#gain", "4")
    assert drawn() > 2.5 * expected


def test_an_address_opens_the_same_view(opened):
    page = opened()
    assert "#" not in page.url
    page.select_option("#set", "tiny/x4-hard")
    for choice, value in (("image", NAMES[0]), ("left", "HR"), ("right", "other"), ("gain", "16")):
        page.select_option(f"#{choice}", value)
    page.locator("#zoom-in").click()
    page.get_by_role("slider").focus()
    page.keyboard.press("PageUp")
    page.wait_for_function("location.hash.includes('divider=60')")

    def state(of) -> list:
        values = of.locator("#set, #viewer select").evaluate_all("all => all.map((choice) => choice.value)")
        transform = of.locator("#left-image").evaluate("image => getComputedStyle(image).transform")
        return [values, transform, of.get_by_role("slider").get_attribute("aria-valuenow")]

    again = opened()
    again.goto(page.url)
    again.wait_for_function("document.getElementById('left').value === 'HR'")
    assert state(again) == state(page)
    again.reload()
    assert state(again) == state(page)
    again.evaluate("location.hash = 'set=nothing&image=nothing&left=LR&zoom=x'")
    again.wait_for_function("document.getElementById('left').value === 'LR'")
    assert again.locator("#image").input_value() and again.locator("#set").input_value() == "tiny/x4-hard"
