"""The TouchOSC layout, by its form: zlib, XML, and addresses that the show hears."""

import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from trainjourney.cli import app
from trainjourney.controls.desk import Desk
from trainjourney.controls.osc_table import find_addresses
from trainjourney.controls.parameters import PARAMETERS
from trainjourney.controls.touchosc import HEIGHT, WIDTH, widgets, write_layout
from trainjourney.errors import OutputError

KINDS = {"GROUP", "FADER", "BUTTON", "XY", "RADIO", "LABEL"}


def nodes() -> list[ElementTree.Element]:
    root = ElementTree.fromstring(zlib.decompress(write_layout()))
    assert root.tag == "lexml" and root.get("version") == "4"
    [page] = root
    assert page.get("type") == "GROUP"
    return list(page.findall("children/node"))


def test_it_is_what_the_editor_writes_and_the_same_each_time() -> None:
    found = nodes()
    assert write_layout() == write_layout()
    assert {node.get("type") for node in found} <= KINDS
    assert len({node.get("ID") for node in found}) == len(found) == len(widgets())
    for node in found:
        kinds = {one.findtext("key"): one.get("type") for one in node.iter("property")}
        assert kinds["name"] == "s" and kinds["frame"] == "r" and kinds["color"] == "c"
        assert node.findall("values/value/key")


def test_every_control_stands_on_the_page_and_over_no_other() -> None:
    boxes = [one.frame for one in widgets() if one.kind != "LABEL"]
    for i, (x, y, width, height) in enumerate(boxes):
        assert min(x, y) >= 0 and x + width <= WIDTH and y + height <= HEIGHT
        for left, top, wide, tall in boxes[:i]:
            apart = x >= left + wide or left >= x + width or y >= top + tall or top >= y + height
            assert apart, boxes[i]
    names = {one.name for one in widgets()}
    skipped = {"seed", "look", "weight", "preset", "store", "pad_x", "pad_y"}
    corners = {f"pad_{corner}" for corner in "abcd"}
    assert set(PARAMETERS) - skipped - corners <= names
    assert {"look 1", "look 16", "preset 8", "store 8", "pad"} <= names


def test_the_show_hears_all_that_it_sends() -> None:
    desk = Desk()
    for osc in (node.find("messages/osc") for node in nodes()):
        if osc is None:
            continue
        path = "".join(one.findtext("value") or "" for one in osc.findall("path/partial"))
        arguments = []
        for one in osc.findall("arguments/partial"):
            value = one.findtext("value") or ""
            constant = one.findtext("type") == "CONSTANT"
            arguments.append(float(value) if constant else float(one.findtext("scaleMax") or 0))
        if path == "/train/subscribe":
            assert arguments == [9001.0]
            continue
        [address] = find_addresses(path)
        for change in address.changes(tuple(arguments), 0.0):
            assert desk.turn(change)
        assert (
            osc.findtext("triggers/trigger/condition")
            == ("RISE", "ANY")[osc.findtext("receive") == "1"]
        )
    assert desk.values()["speed"] == 2.0 and desk.values()["melt_s"] == 30.0
    assert desk.values()["look"] == 16.0 and desk.refused == 0


def test_the_command_writes_it_and_tells_where_it_cannot(tmp_path: Path) -> None:
    out = tmp_path / "out.tosc"
    ended = CliRunner().invoke(app, ["layout", "touchosc", str(out)], catch_exceptions=False)
    assert ended.exit_code == 0 and out.read_bytes() == write_layout()
    opened = '--set osc.host=0.0.0.0 --set osc.allow="127.0.0.0/8, ::1, ITS.ADDRESS"'
    assert opened in ended.output
    ended = CliRunner().invoke(app, ["layout", "touchosc", str(tmp_path / "no" / "out.tosc")])
    assert isinstance(ended.exception, OutputError)
    with pytest.raises(OutputError, match="cannot be written"):
        raise ended.exception
