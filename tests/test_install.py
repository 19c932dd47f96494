"""install.sh: what it refuses before it begins, and what it clears away."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "installation/install.sh"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(SCRIPT), *words], capture_output=True, text=True, timeout=20)


def test_asked_for_help_it_helps_and_begins_nothing() -> None:
    ended = run("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "EXTRAS=midi,zeroconf installation/install.sh" in ended.stdout
    assert "1." not in ended.stdout and "set -eu" not in ended.stdout


@pytest.mark.parametrize("words", [["--dry-run"], ["midi"], ["--help", "me"]])
def test_words_that_it_does_not_know_are_refused(words: list[str]) -> None:
    ended = run(*words)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"was given '{' '.join(words)}'" in ended.stderr and ended.stderr.count("\n") == 1


def test_the_new_and_the_former_version_stay_and_what_is_no_version(tmp_path: Path) -> None:
    old, former, bad, new = (f"2026110{day}-101500" for day in range(1, 5))
    for name in (old, former, bad, new, "engines", "2nd"):
        (tmp_path / name / "bin").mkdir(parents=True)
    (tmp_path / "current").symlink_to(tmp_path / new)
    text = SCRIPT.read_text(encoding="utf-8")
    clear_away = text[text.index("clear_away() {") : text.index("\n}\n\n[") + 2]
    call = f'home="{tmp_path}"; {clear_away}\nclear_away "$home/{new}" "$home/{former}"'
    subprocess.run(["sh", "-euc", call], check=True, timeout=20)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {former, new, "engines", "2nd", "current"}  # the one that played, not the bad
    assert text.index("former=$(readlink") < text.index("mv -T") < text.index('clear_away "$new"')


def test_the_command_that_is_laid_runs_as_the_show_does(tmp_path: Path) -> None:
    """Its folders, its settings, its version; from a folder that its user may not look into."""
    text = SCRIPT.read_text(encoding="utf-8")
    lay = text[text.index('cat >"$command.part"') : text.index('\n\necho "5.')]
    inside = tmp_path / "current/bin/trainjourney"
    inside.parent.mkdir(parents=True)
    inside.write_text('#!/bin/sh\necho "$PWD $XDG_STATE_HOME $*"\n')
    fake = tmp_path / "id"
    fake.write_text("#!/bin/sh\necho trainjourney\n")
    for path in (inside, fake):
        path.chmod(0o755)
    (tmp_path / "state").mkdir()
    names = f'home="{tmp_path}" state="{tmp_path}/state" command="{tmp_path}/command"'
    subprocess.run(["sh", "-euc", f"{names}; {lay}"], check=True, timeout=20)
    ended = subprocess.run(
        [tmp_path / "command", "token", "new"], capture_output=True, text=True, timeout=20,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip
    state = tmp_path / "state"
    assert (ended.stdout, ended.stderr) == (f"{state} {state}/state token new\n", "")
