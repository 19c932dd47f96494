"""A TouchOSC layout made of the table: faders, buttons, the pad, looks and presets, on one page.

A .tosc file is XML, compressed by zlib. Its form is known from files that the editor wrote
(version 4 of its root element); it was not opened in the app here.
"""

import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from trainjourney.controls.parameters import PARAMETERS, Parameter

WIDTH, HEIGHT = 1180, 820
LOOKS, PRESETS = 16, 8
MELT_S = 30.0  # a fader for the 600 that melts may take would be too coarse
HEAR_BACK_PORT = 9001
_GAP = 10
_COLOURS = {
    "train": (0.95, 0.62, 0.24), "look": (0.36, 0.72, 0.55), "pad": (0.36, 0.62, 0.86),
    "beat": (0.85, 0.42, 0.55), "output": (0.72, 0.72, 0.76),
    "preset": (0.66, 0.55, 0.86), "store": (0.85, 0.3, 0.25),  # red: it writes over what was
}  # fmt: skip
_PLACE = uuid.UUID(
    "8a4cf4b2-8d2f-4d7e-9f53-2f6b7d0a5c11"
)  # so that the same table is the same file
Partial = tuple[str, str, str, float, float]  # type, conversion, value, and its scale


@dataclass(frozen=True)
class Widget:
    """One control on the page."""

    kind: str  # TouchOSC's: FADER, BUTTON, XY, RADIO, LABEL
    name: str
    frame: tuple[int, int, int, int]  # x, y, width, height
    colour: tuple[float, float, float]
    path: str = ""
    arguments: Sequence[Partial] = ()
    properties: tuple[tuple[str, str, float], ...] = ()  # type, key, value
    text: str = ""
    on_press: bool = False  # sends when pressed, not when let go


def write_layout() -> bytes:
    """The layout as a .tosc file."""
    page = Widget("GROUP", "Trainjourney", (0, 0, WIDTH, HEIGHT), (0.07, 0.08, 0.1))
    xml = (
        f"<?xml version='1.0' encoding='UTF-8'?><lexml version='4'>{_node(page, widgets())}</lexml>"
    )
    return zlib.compress(xml.encode(), 9)


def widgets() -> list[Widget]:
    """All controls of the page, in their places."""
    plain = [p for p in PARAMETERS.values() if not p.slots and p.group != "pad"]
    faders = [p for p in plain if p.kind == "number"]
    buttons = [p for p in plain if p.kind in ("toggle", "trigger")]
    found = list(_row(faders, (0, 0, 780, 400), _fader))
    found += _row(buttons, (0, 410, 780, 100), _button)
    pad = (790, 10, WIDTH - 800, 380)
    values = (_value("x"), _value("y"))
    found.append(Widget("XY", "pad", pad, _COLOURS["pad"], "/train/pad", values))
    choices = [p for p in plain if p.kind == "choice"]
    found += _row(choices, (780, 390, 390, 120), _radio)
    looks = [("look", slot) for slot in range(1, LOOKS + 1)]
    found += _grid(looks, (0, 520, WIDTH, 180), 8, _slot)
    presets = [(kind, number) for kind in ("preset", "store") for number in range(1, PRESETS + 1)]
    found += _grid(presets, (0, 700, WIDTH - 120, 120), 8, _preset)
    hear = (("CONSTANT", "INTEGER", str(HEAR_BACK_PORT), 0.0, 1.0),)
    frame = (WIDTH - 110, 710, 100, 100)
    found.append(Widget("BUTTON", "hear back", frame, (0.5, 0.5, 0.5), "/train/subscribe", hear,
                        _press(0), on_press=True))  # fmt: skip
    found.append(_label("hear back", frame, "hear back"))
    return found


Box = tuple[int, int, int, int]


def _row(
    parameters: Sequence[Parameter], box: Box, draw: Callable[[Parameter, Box], Iterator[Widget]]
) -> Iterator[Widget]:
    x, y, width, height = box
    each = width // max(len(parameters), 1)
    for i, parameter in enumerate(parameters):
        inner = (x + i * each + _GAP, y + _GAP, each - _GAP, height - 2 * _GAP)
        yield from draw(parameter, inner)


def _grid(
    items: Sequence[tuple[str, int]],
    box: Box,
    columns: int,
    draw: Callable[[str, int, Box], Iterator[Widget]],
) -> Iterator[Widget]:
    x, y, width, height = box
    rows = -(-len(items) // columns)
    each, tall = (width - _GAP) // columns, (height - _GAP) // rows
    for i, (kind, number) in enumerate(items):
        place = (x + i % columns * each + _GAP, y + i // columns * tall + _GAP)
        yield from draw(kind, number, (*place, each - _GAP, tall - _GAP))


def _fader(parameter: Parameter, box: Box) -> Iterator[Widget]:
    x, y, width, height = box
    path, scale = parameter.osc, (0.0, 1.0)
    if parameter.name == "melt_s":
        path, scale = f"{path}/raw", (0.0, MELT_S)
    frame = (x, y, width, height - 40)
    upright = (("i", "orientation", 0),)
    value = (_value("x", *scale),)
    yield Widget("FADER", parameter.name, frame, _COLOURS[parameter.group], path, value, upright)
    yield _label(parameter.name, (x, y + height - 34, width, 30), _plain(parameter.name))


def _button(parameter: Parameter, box: Box) -> Iterator[Widget]:
    trigger = parameter.kind == "trigger"
    yield Widget(
        "BUTTON", parameter.name, box, _COLOURS[parameter.group], parameter.osc, (_value("x"),),
        _press(0 if trigger else 2), on_press=trigger,
    )  # fmt: skip
    yield _label(parameter.name, box, _plain(parameter.name))


def _radio(parameter: Parameter, box: Box) -> Iterator[Widget]:
    x, y, width, height = box
    steps = (("i", "steps", len(parameter.choices)), ("i", "orientation", 1))
    value = (("VALUE", "INTEGER", "x", 0.0, 1.0),)
    frame = (x, y, width, height - 40)
    yield Widget("RADIO", parameter.name, frame, _COLOURS[parameter.group], parameter.osc, value,
                 steps)  # fmt: skip
    text = f"{_plain(parameter.name)}: {', '.join(parameter.choices)}"
    yield _label(parameter.name, (x, y + height - 36, width, 30), text)


def _slot(kind: str, slot: int, box: Box) -> Iterator[Widget]:
    path, name = f"{PARAMETERS[kind].osc}/{slot}", f"{kind} {slot}"
    yield Widget("BUTTON", name, box, _COLOURS["look"], path, (_value("x"),), _press(0),
                 on_press=True)  # fmt: skip
    yield _label(name, box, name)


def _preset(kind: str, number: int, box: Box) -> Iterator[Widget]:
    value = (("CONSTANT", "INTEGER", str(number), 0.0, 1.0),)
    name = f"{kind} {number}"
    yield Widget("BUTTON", name, box, _COLOURS[kind], PARAMETERS[kind].osc, value, _press(0),
                 on_press=True)  # fmt: skip
    yield _label(name, box, name)


def _label(name: str, frame: Box, text: str) -> Widget:
    return Widget("LABEL", f"{name} label", frame, (0.0, 0.0, 0.0), text=text)


def _value(key: str, low: float = 0.0, high: float = 1.0) -> Partial:
    return ("VALUE", "FLOAT", key, low, high)


def _press(kind: int) -> tuple[tuple[str, str, float], ...]:
    """0 is a button that springs back, 2 one that stays until it is pressed again."""
    return (("i", "buttonType", kind), ("b", "press", 1), ("b", "release", 1 if kind == 0 else 0))


def _plain(name: str) -> str:
    return name.removesuffix("_s").replace("_", " ")


def _node(widget: Widget, children: Iterable[Widget] = ()) -> str:
    label = widget.kind == "LABEL"
    x, y, width, height = widget.frame
    red, green, blue = widget.colour
    properties = [
        _property("s", "name", _text(widget.name)),
        _property("r", "frame", f"<x>{x}</x><y>{y}</y><w>{width}</w><h>{height}</h>"),
        _property(
            "c", "color", f"<r>{red}</r><g>{green}</g><b>{blue}</b><a>{0 if label else 1}</a>"
        ),
        _property("b", "background", int(not label)),
        _property("b", "interactive", int(widget.kind not in ("LABEL", "GROUP"))),
        _property("b", "outline", int(not label)),
        _property("b", "visible", 1),
        *(_property(*one) for one in widget.properties),
    ]
    if label:
        white = "<r>1</r><g>1</g><b>1</b><a>1</a>"
        properties += [_property("c", "textColor", white), _property("i", "textSize", 14)]
    inner = f"<properties>{''.join(properties)}</properties><values>{_values(widget)}</values>"
    if widget.path:
        inner += f"<messages>{_osc(widget)}</messages>"
    if nodes := "".join(map(_node, children)):
        inner += f"<children>{nodes}</children>"
    own = uuid.uuid5(_PLACE, f"{widget.kind} {widget.name}")
    return f"<node ID='{own}' type='{widget.kind}'>{inner}</node>"


def _property(kind: str, key: str, value: object) -> str:
    return f"<property type='{kind}'><key>{_text(key)}</key><value>{value}</value></property>"


def _values(widget: Widget) -> str:
    keys = {"touch": "false"}
    if widget.kind == "LABEL":
        keys["text"] = widget.text
    elif widget.kind != "GROUP":
        keys["x"] = "0"
    if widget.kind == "XY":
        keys |= {"x": "0.5", "y": "0.5"}
    return "".join(
        f"<value><key>{_text(key)}</key><locked>0</locked>"
        f"<lockedDefaultCurrent>{int(key == 'text')}</lockedDefaultCurrent>"
        f"<default>{_text(default)}</default><defaultPull>0</defaultPull></value>"
        for key, default in keys.items()
    )


def _osc(widget: Widget) -> str:
    keys = [value for kind, _, value, _, _ in widget.arguments if kind == "VALUE"] or ["x"]
    when = "RISE" if widget.on_press else "ANY"
    triggers = "".join(
        f"<trigger><var>{_text(key)}</var><condition>{when}</condition></trigger>" for key in keys
    )
    path = _partial("CONSTANT", "STRING", widget.path, 0.0, 1.0)
    arguments = "".join(_partial(*one) for one in widget.arguments)
    return (
        f"<osc><enabled>1</enabled><send>1</send><receive>{int(not widget.on_press)}</receive>"
        "<feedback>0</feedback><connections>1111111111</connections>"
        f"<triggers>{triggers}</triggers><path>{path}</path>"
        f"<arguments>{arguments}</arguments></osc>"
    )


def _partial(kind: str, conversion: str, value: str, low: float, high: float) -> str:
    return (
        f"<partial><type>{kind}</type><conversion>{conversion}</conversion>"
        f"<value>{_text(value)}</value><scaleMin>{low:g}</scaleMin><scaleMax>{high:g}</scaleMax>"
        "</partial>"
    )


def _text(text: str) -> str:
    assert "]]>" not in text, text
    return f"<![CDATA[{text}]]>"
