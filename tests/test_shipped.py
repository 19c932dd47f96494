"""The shipped pocket, held to the figures it is published with: a short judgement of its pictures.

A bundle or figures that are not there fail with one line that says what to type.
"""

from pathlib import Path

import pytest

from trainjourney.inference import find_bundle, load_bundle
from trainjourney.judging.judge import judge
from trainjourney.judging.published import published, worse
from trainjourney.judging.report import summarise

POCKET = Path(__file__).resolve().parent.parent / "engines" / "pocket"


@pytest.mark.timeout(600)
def test_the_shipped_pocket_is_as_good_as_it_says(tmp_path: Path) -> None:
    folder = find_bundle(str(POCKET))
    told = published(folder)
    facts = told["judged"]
    judged = judge(
        str(folder), tmp_path, facts["frames"], facts["seeds"], short=True, precision="f32"
    )
    found = {m["name"]: m["value"] for m in summarise(judged)["measures"]}
    assert worse(told["measures"], found) == []


def test_the_shipped_pocket_can_depart_and_knows_its_band() -> None:
    manifest = load_bundle(POCKET).manifest
    assert manifest.departure > 0 and manifest.band is not None
    assert manifest.training["preset"] == "s"
