"""How the page looks: the picture edge to edge on a desk and on a phone; screenshots are kept to be looked at."""

import pytest

SIZES = {"desktop": (1280, 720), "phone-upright": (390, 844), "phone-landscape": (844, 390)}


@pytest.mark.parametrize("name", SIZES)
def test_the_picture_fills_the_screen(car, watch, screenshots, name):
    width, height = SIZES[name]
    phone = name.startswith("phone")
    one = car("--source", "demo")
    page = watch(one.url, viewport={"width": width, "height": height}, has_touch=phone, is_mobile=phone,
                 device_scale_factor=2 if phone else 1)
    page.wait_shown(30)
    page.page.screenshot(path=screenshots / f"{name}.png")
    box = page.page.evaluate(
        """() => { const { x, y, width, height } = document.querySelector("video").getBoundingClientRect();
                   const root = document.scrollingElement;
                   return { x, y, width, height, spills: root.scrollWidth > innerWidth || root.scrollHeight > innerHeight }; }""")
    assert not box["spills"], f"the page scrolls: {box}"
    assert box["x"] <= 0 and box["y"] <= 0 and box["width"] >= width - 1 and box["height"] >= height - 1, box
    # Over the picture lies one small figure, clear of where the bar comes.
    figure = page.page.locator("#age")
    figure.wait_for(state="visible")
    over = figure.bounding_box()
    assert over["width"] <= 270 and over["height"] <= 44 and over["y"] < height / 4, over
    assert not page.page.locator("#panel").is_visible()
    muted = page.page.evaluate("(() => { const v = document.querySelector('video'); return [v.muted, v.playsInline, v.autoplay]; })()")
    assert muted == [True, True, True]


def test_a_sentence_is_readable_when_nobody_answers(car, watch, screenshots):
    one = car("--source", "demo")
    page = watch(one.url, viewport={"width": 844, "height": 390})
    page.wait_shown(10)
    one.stop()
    page.wait_said(".{10}")
    # The words change as the page tries again: whatever they are by now, they are to be seen.
    page.page.locator("#sentence").wait_for(state="visible")
    page.page.screenshot(path=screenshots / "car-away.png")
