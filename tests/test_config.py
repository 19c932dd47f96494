"""Settings: defaults held equal to config.toml, laid over each other, refused by name."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from trainjourney.config import SECTIONS, load, to_toml
from trainjourney.errors import ConfigError
from trainjourney.settings import Config

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(text: str | None = None, sets: tuple[str, ...] = ()) -> str:
    if text is not None:
        Path("config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(None, sets)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_file_in_the_clone_says_what_the_code_says() -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    assert text == to_toml(Config())
    assert load(ROOT / "config.toml") == Config() == load()
    assert set(tomllib.loads(text)) == set(SECTIONS)


def test_every_key_has_one_line_of_help() -> None:
    for section in SECTIONS.values():
        assert section.__doc__
        for key, field in section.model_fields.items():
            assert field.description and field.description.endswith("."), key


def test_file_then_set_then_option() -> None:
    Path("config.toml").write_text("[journey]\nspeed = 0.5\nseed = 3\ndream = 1\n")
    config = load(None, ["journey.seed=4", "journey.speed=-1"], {"journey.speed": 2.0})
    assert (config.journey.speed, config.journey.seed, config.journey.dream) == (2.0, 4, 1.0)
    assert config.window == Config().window


def test_options_that_were_not_said_change_nothing() -> None:
    assert load(None, (), {"journey.speed": None, "engine.name": None}) == Config()


def test_a_set_value_is_read_as_its_key_wants() -> None:
    config = load(None, ["journey.look=1984", "window.fullscreen=TRUE", "window.scale = 3"])
    assert config.journey.look == "1984"
    assert config.window.fullscreen is True
    assert config.window.scale == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[window]\nfulscreen = true",
            "config.toml [window]: unknown key 'fulscreen'; did you mean 'fullscreen'?",
        ),
        ("[windw]\nscale = 1", "config.toml: unknown section 'windw'; did you mean 'window'?"),
        (
            "[film]\ncodec = 1",
            "config.toml [film]: unknown key 'codec'; there are crf, preset, fps",
        ),
        (
            '[window]\nfullscreen = "yes"',
            "config.toml [window] fullscreen: 'yes' will not do; give true or false",
        ),
        (
            "[journey]\nspeed = 9",
            "config.toml [journey] speed: 9 will not do; give a number from -2 to 2",
        ),
        (
            "[journey]\nseed = 1.5",
            "config.toml [journey] seed: 1.5 will not do; give a whole number from 0",
        ),
        (
            "[journey]\nlook = 3",
            "config.toml [journey] look: 3 will not do; give a text in quotes",
        ),
        (
            '[engine]\nbackend = "abacus"',
            "config.toml [engine] backend: 'abacus' will not do; "
            "give auto, openvino, onnxruntime, torch, torch-compile, tensorrt or "
            "onnxruntime-cuda",
        ),
        ("window = 3", "config.toml: window is a section; write [window] above its keys"),
    ],
)
def test_a_wrong_file_is_refused_by_name(text: str, message: str) -> None:
    assert refusal(text) == message


def test_a_file_that_cannot_be_read_is_refused() -> None:
    assert refusal("[window").startswith("config.toml: is not TOML: ")
    with pytest.raises(ConfigError, match="no such file; give --config"):
        load(Path("gone.toml"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Path())
    Path("image.toml").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Path("image.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed=1", "--set speed=1: is not section.key=value; "),
        ("journey.speed", "--set journey.speed: is not section.key=value; "),
        ("windw.scale=1", "--set: unknown section 'windw'; did you mean 'window'?"),
        ("window.scal=1", "--set [window]: unknown key 'scal'; did you mean 'scale'?"),
        ("journey.speed=nan", "--set [journey] speed: 'nan' will not do; give a number from -2"),
        (
            "window.turn=45",
            "--set [window] turn: '45' will not do; give a whole number from 0 to 270, by 90",
        ),
        ("window.vsync=", "--set [window] vsync: '' will not do; give true or false"),
    ],
)
def test_a_wrong_set_is_refused_by_name(text: str, message: str) -> None:
    assert refusal(sets=(text,)).startswith(message)


def test_a_folder_that_may_not_be_looked_into_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(ConfigError, match=r"folder cannot be read \(permission denied\); cd to"):
        load()
    assert load(sets=(), path=ROOT / "config.toml") == Config()


def test_a_wrong_option_is_refused_by_its_own_name() -> None:
    with pytest.raises(ConfigError, match=r"^--speed: 9.0 will not do; give a number from -2 to 2"):
        load(None, (), {"journey.speed": 9.0})


@settings(deadline=None)  # the tests may share their cores
@given(
    name=some.text(
        some.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\x7f"), max_size=20
    ),
    speed=some.floats(-2, 2),
    overlay=some.booleans(),
)
def test_what_is_written_is_read_back(name: str, speed: float, overlay: bool) -> None:
    changes = {"engine.name": name, "journey.speed": speed, "window.overlay": overlay}
    config = load(None, (), changes)
    Path("written.toml").write_text(to_toml(config), encoding="utf-8")
    assert load(Path("written.toml")) == config
