"""Letters on pictures: every name can be read, and plain ones are as they were."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from trainjourney import lettering
from trainjourney.lettering import font_for


def drawn(text: str) -> np.ndarray:
    page = Image.new("L", (300, 40))
    ImageDraw.Draw(page).text((4, 4), text, 255, font_for(text, 20))
    return np.asarray(page)


def test_plain_text_is_in_the_quiet_letters() -> None:
    quiet = ImageFont.load_default(20)
    assert font_for("30.0 fps  meadow", 20).getname() == quiet.getname()  # type: ignore[union-attr]


@pytest.mark.parametrize("names", [lettering._NAMES, ()])
def test_letters_of_other_alphabets_are_told_apart(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the system's fonts, and with those alone that come with the window."""
    monkeypatch.setattr(lettering, "_NAMES", names)
    lettering._font.cache_clear()
    seen = [drawn(letter) for letter in ("ü", "é", "ø", "Ж", "λ", "–", "\U0010fffd")]
    for i, one in enumerate(seen):
        assert one.any() and not any(np.array_equal(one, other) for other in seen[:i])
    lettering._font.cache_clear()


def test_what_no_font_has_is_drawn_all_the_same() -> None:
    assert drawn("\U000e1234 x").any()
