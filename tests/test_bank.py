"""The folder of looks: slots that stay, names, sets, the cache, and pictures that are none."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundle import HEIGHT, WIDTH, write_tiny_bundle
from typer.testing import CliRunner

from trainjourney.cli import app
from trainjourney.errors import PictureError
from trainjourney.inference import Bundle, Look, load_bundle, open_embedder
from trainjourney.journey.bank import Embed, LooksFolder
from trainjourney.journey.looks_set import SetLook, read_set, write_set
from trainjourney.journey.slots import astray, name_of, natural, number_of, place
from trainjourney.settings import LooksConfig
from trainjourney.show.bank import FolderWatch
from trainjourney.types import Embedding, Frame

NOW_S = 2_000_000_000.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("engines") / "tiny"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "looks").mkdir()
    return tmp_path / "looks"


def put(path: Path, colour: tuple[int, int, int]) -> None:
    Image.new("RGB", (80, 60), colour).save(path)
    os.utime(path, (NOW_S - 100, NOW_S - 1000 + sum(colour)))


class Counted:
    """Opens the bundle's embedder, and counts how often and for how many pictures."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.opened, self.embedded = bundle, 0, 0

    def __call__(self) -> Embed:
        self.opened += 1
        embed = open_embedder(self.bundle)

        def counted(picture: Frame) -> Embedding:
            self.embedded += 1
            return embed(picture)

        return counted


def looks_folder(
    folder: Path, bundle: Bundle, opener: Callable[[], Embed], **options: object
) -> LooksFolder:
    return LooksFolder(folder, bundle, opener, folder.parent / "cache", **options)  # type: ignore[arg-type]


def named(looks: dict[int, Look] | None) -> dict[int, str]:
    assert looks is not None
    return {slot: look.name for slot, look in looks.items()}


def test_a_picture_dropped_in_is_a_look_and_goes_with_its_file(
    folder: Path, bundle: Bundle
) -> None:
    opener = Counted(bundle)
    bank = looks_folder(folder, bundle, opener)
    assert bank.scan(NOW_S) is None and opener.opened == 0  # the bundle's looks are there already
    put(folder / "yellow_field.png", (250, 250, 0))
    looks = bank.scan(NOW_S) or {}
    assert named(looks)[4] == "yellow field"
    wanted = np.array([250, 250, 0, 25.5]) / np.linalg.norm([250, 250, 0, 25.5])
    np.testing.assert_allclose(looks[4].embedding, wanted, atol=1e-3)
    with Image.open(looks[4].picture) as kept:
        assert kept.size == (WIDTH, HEIGHT) and kept.getpixel((3, 3)) == (250, 250, 0)
    assert bank.scan(NOW_S) is None
    (folder / "yellow_field.png").unlink()
    assert named(bank.scan(NOW_S)) == {1: "red", 2: "green", 3: "blue"}
    assert looks[4].picture.exists()  # who departs in it still can


def test_a_drive_that_is_pulled_out_takes_no_look_with_it(folder: Path, bundle: Bundle) -> None:
    bank = looks_folder(folder, bundle, Counted(bundle))
    put(folder / "yellow.png", (250, 250, 0))
    put(folder / "grey.png", (90, 90, 90))
    assert named(bank.scan(NOW_S))[5] == "yellow"
    folder.rename(folder.with_name("away"))
    assert bank.scan(NOW_S) is None
    folder.with_name("away").rename(folder)
    (folder / "grey.png").unlink()
    assert sorted(named(bank.scan(NOW_S)).values()) == ["blue", "green", "red", "yellow"]


def test_what_was_embedded_is_not_embedded_again(folder: Path, bundle: Bundle) -> None:
    put(folder / "a.png", (9, 9, 9))
    first = Counted(bundle)
    looks_folder(folder, bundle, first).scan(NOW_S)
    assert (first.opened, first.embedded) == (1, 1)
    shutil.copy(folder / "a.png", folder / "b.png")
    os.utime(folder / "b.png", (NOW_S - 50, NOW_S - 50))
    second = Counted(bundle)
    assert len(looks_folder(folder, bundle, second).scan(NOW_S) or {}) == 5
    assert second.opened == 0
    for broken in (folder.parent / "cache").rglob("*.npy"):
        broken.write_bytes(b"\x93NUMPY nonsense")
    third = Counted(bundle)
    assert len(looks_folder(folder, bundle, third).scan(NOW_S) or {}) == 5
    assert third.embedded == 1


def test_a_file_that_is_still_on_its_way_is_waited_for(folder: Path, bundle: Bundle) -> None:
    bank = looks_folder(folder, bundle, Counted(bundle), with_bundle=False)
    put(folder / "a.png", (9, 9, 9))
    os.utime(folder / "a.png", (NOW_S, NOW_S))
    assert bank.scan(NOW_S + 0.1) is None
    os.utime(folder / "a.png", (NOW_S + 0.3, NOW_S + 0.3))
    assert bank.scan(NOW_S + 0.6) is None
    assert named(bank.scan(NOW_S + 1.1)) == {1: "a"}
    put(folder / "a.png", (200, 9, 9))  # another picture under the same name
    other = bank.scan(NOW_S + 60)
    assert other and other[1].embedding[0] > 0.9


def test_slots_stay_numbers_count_and_what_is_new_takes_what_is_free() -> None:
    first = place(["b.jpg", "a.jpg", "07 dusk.jpg"], {}, {1, 2})
    assert first == {"07 dusk.jpg": 7, "a.jpg": 3, "b.jpg": 4}
    later = place(["b.jpg", "0.jpg", "aa.jpg", "07 dusk.jpg", "3-x.jpg"], first, {1, 2})
    assert later == {"3-x.jpg": 3, "07 dusk.jpg": 7, "b.jpg": 4, "0.jpg": 5, "aa.jpg": 6}
    assert place(["1 a.jpg", "1 b.jpg"], {}, {1, 2}) == {"1 a.jpg": 1, "1 b.jpg": 3}
    names = ["1 a.jpg", "1 b.jpg", "70 c.jpg", "d.jpg"]
    assert list(astray(names, place(names, {}, {1, 2}))) == [
        ("1 b.jpg", "slot 1 is that of 1 a.jpg; it is in slot 3"),
        ("70 c.jpg", "slots go up to 64; it is in slot 4"),
    ]
    many = place([f"p{i}.jpg" for i in range(100)], {}, ())
    assert sorted(many.values()) == list(range(1, 65)) and many["p9.jpg"] == 10


@pytest.mark.parametrize(
    ("file", "number", "name"),
    [
        ("07 winter_dusk.jpg", 7, "winter dusk"),
        ("7-x.png", 7, "x"),
        ("99 x.png", 0, "x"),
        ("2024-06 alps.jpg", 0, "2024-06 alps"),
        ("12.jpg", 0, "12"),
        ("meadow.JPG", 0, "meadow"),
    ],
)
def test_names_of_files_are_names_of_looks(file: str, number: int, name: str) -> None:
    assert (number_of(file), name_of(file)) == (number, name)


def test_two_comes_before_ten() -> None:
    assert sorted(["p10.jpg", "P2.jpg", "p1b.jpg", "x"], key=natural) == [
        "p1b.jpg", "P2.jpg", "p10.jpg", "x",
    ]  # fmt: skip


def test_a_picture_that_is_none_is_one_line_and_the_rest_goes_on(
    folder: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    put(folder / "good.png", (1, 200, 1))
    whole = (folder / "good.png").read_bytes()
    for name, data in {
        "torn.png": whole[:90],
        "text.jpg": b"no picture",
        "empty.webp": b"",
    }.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (NOW_S - 100, NOW_S - 100))
    (folder / os.fsdecode(b"\xff.png")).write_bytes(whole)  # no UTF-8
    os.utime(folder / os.fsdecode(b"\xff.png"), (NOW_S - 100, NOW_S - 100))
    (folder / "folder.jpg").mkdir()
    os.utime(folder / "folder.jpg", (NOW_S - 100, NOW_S - 100))
    (folder / ".part.jpg").write_bytes(b"x")
    bank = looks_folder(folder, bundle, Counted(bundle), with_bundle=False)
    assert named(bank.scan(NOW_S)) == {1: "good"}
    for _ in range(5):
        assert bank.scan(NOW_S) is None
    told = [record.message for record in caplog.records]
    assert len(told) == 5 and not any("\n" in line for line in told)
    assert {Path(line.split(": ")[0]).name for line in told} == {
        "torn.png", "text.jpg", "empty.webp", "folder.jpg", "\\udcff.png'",
    }  # fmt: skip


def test_a_cache_that_cannot_be_written_costs_time_and_one_line(
    folder: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    put(folder / "a.png", (9, 9, 9))
    (folder.parent / "cache").touch()
    looks = looks_folder(folder, bundle, Counted(bundle), with_bundle=False).scan(NOW_S)
    assert looks and looks[1].picture == folder / "a.png"
    [line] = [record.message for record in caplog.records]
    assert "looks cannot be kept there" in line


def test_a_set_names_and_orders(
    folder: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        put(folder / name, (9, 9, ord(name[0])))
    looks = [SetLook(slot=9, file="c.png", name="sea"), SetLook(slot=2, file="a.png", name="moor")]
    write_set(folder / "summer.toml", [*looks, SetLook(slot=3, file="gone.png", name="gone")])
    bank = looks_folder(folder, bundle, Counted(bundle), with_bundle=False, set_name="summer")
    assert named(bank.scan(NOW_S)) == {2: "moor", 9: "sea"}
    (folder / "summer.toml").write_text("[[look]]\nslot = 2\nfile = '../a.png'\nname = 'x'\n")
    assert bank.scan(NOW_S) is None and bank.scan(NOW_S) is None  # as it was, until it is mended
    write_set(folder / "summer.toml", [SetLook(slot=1, file="b.png", name="heath")])
    assert named(bank.scan(NOW_S)) == {1: "heath"}
    [line] = [record.message for record in caplog.records]
    assert "summer.toml: a look's file:" in line and "\n" not in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("look = 3", "has no"),
        ("look = [3]", "a look's"),
        ("", "has no"),
        ("[[look]]\nslot = 65\nfile = 'a'\nname = 'a'", "slot"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("[[look]]\nslot=1\nfile='a'\nname='a'\n[[look]]\nslot=1\nfile='b'\nname='b'", "slot 1 is"),
    ],
)
def test_a_set_of_no_use_is_one_line(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text(text)
    with pytest.raises(PictureError, match=told) as caught:
        read_set(tmp_path / "set.toml")
    assert "\n" not in str(caught.value)


def test_the_watch_tells_within_two_seconds(folder: Path, bundle: Bundle) -> None:
    banks: list[dict[int, Look]] = []
    config = LooksConfig(folder=str(folder), bundle=False)
    watch = FolderWatch(config, bundle, "auto", banks.append)
    os.environ["XDG_CACHE_HOME"] = str(folder.parent)
    watch.start()
    try:
        time.sleep(0.2)
        dropped_s = time.monotonic()
        Image.new("RGB", (400, 300), (0, 0, 200)).save(folder / "sea.jpg")
        while not banks or len(banks[-1]) < 1:
            assert time.monotonic() - dropped_s < 10
            time.sleep(0.02)
        assert named(banks[-1]) == {1: "sea"}
    finally:
        watch.close()


def test_looks_are_listed_and_saved_by_the_command(
    folder: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    put(folder / "9 sea.png", (0, 0, 200))
    put(folder / "moor.png", (100, 90, 0))
    Path("config.toml").write_text(f'[engine]\nname = "{bundle.folder}"\n')
    Path("looks/a.jpg").write_text("no picture")
    listed = CliRunner().invoke(app, ["looks", "list"], catch_exceptions=False)
    told = listed.stdout
    assert [line.split()[:2] for line in told.splitlines()] == [
        ["1", "red"], ["2", "green"], ["3", "blue"], ["4", "moor"], ["9", "sea"],
    ]  # fmt: skip
    assert listed.stderr == "looks/a.jpg: is not a picture; give a JPEG, PNG or WebP\n"
    bank = LooksFolder(Path("looks"), bundle, Counted(bundle), Path("cache"))
    assert {4: "moor", 9: "sea"}.items() <= named(bank.scan(NOW_S)).items()
    saved = CliRunner().invoke(app, ["looks", "save", "summer"], catch_exceptions=False)
    assert "2 looks; play them with --set looks.set=summer" in saved.output
    assert [look.name for look in read_set(folder / "summer.toml")] == ["moor", "sea"]
    (folder / "summer.toml").write_text("# by hand\n")
    for wrong, told in (
        (["save", "../x"], "no name of a set"),
        (["save", "summer"], "looks/summer.toml: is there already; give another name, or --over"),
        (["list", "--folder", "no"], "mkdir no"),
    ):
        ended = CliRunner().invoke(app, ["looks", *wrong])
        assert isinstance(ended.exception, PictureError) and told in str(ended.exception)
    assert (folder / "summer.toml").read_text() == "# by hand\n"
    saved = CliRunner().invoke(app, ["looks", "save", "summer", "--over"], catch_exceptions=False)
    assert saved.exit_code == 0 and len(read_set(folder / "summer.toml")) == 2


def test_without_its_folder_a_show_has_the_bundle_s_looks_and_the_list_too(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for named, told in (("looks", "looks: no such folder; type: mkdir looks"), ("", "is empty")):
        text = f'[engine]\nname = "{bundle.folder}"\n[looks]\nfolder = "{named}"\nbundle = false\n'
        Path("config.toml").write_text(text)
        listed = CliRunner().invoke(app, ["looks", "list"], catch_exceptions=False)
        assert [line.split()[1] for line in listed.stdout.splitlines()] == ["red", "green", "blue"]
        assert told in listed.stderr and listed.stderr.count("\n") == 1


def test_what_is_not_as_a_name_asks_is_told_once(
    folder: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("1 a.png", "1 b.png", "70 c.png"):
        put(folder / name, (200, 0, 0))
    bank = looks_folder(folder, bundle, Counted(bundle))
    bank.scan(NOW_S)
    bank.scan(NOW_S + 1)
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}/1 b.png: slot 1 is that of 1 a.png; it is in slot 4",
        f"{folder}/70 c.png: slots go up to 64; it is in slot 5",
    ]


@pytest.mark.parametrize("named", ["nope", "looks"])
def test_a_folder_that_somebody_named_and_is_not_there_is_told_once(
    named: str, tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    watch = FolderWatch(LooksConfig(folder=named), bundle, "auto", lambda looks: None)
    watch.go_round()
    watch.go_round()
    told = [] if named == "looks" else ["nope: no such folder; type: mkdir nope"]
    assert [record.getMessage() for record in caplog.records] == told
