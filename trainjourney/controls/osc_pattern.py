"""Which addresses an OSC 1.0 pattern means: `?` `*` `[a-z]` `[!a-z]` `{this,that}`, part by part.

All places in a name that the pattern may have come to are kept as the bits of one number, so each
sign of the pattern costs a few operations whatever came before: no pattern is slow.
"""

from collections.abc import Iterable

MOST_CHARACTERS = 96  # of a pattern; none of our addresses is half as long
SPECIAL = frozenset("?*[]{}")

Tree = dict[str, "Tree"]  # part of an address -> the parts after it; "" where an address ends


def is_pattern(address: str) -> bool:
    """Whether an address has any of the special signs in it."""
    return not SPECIAL.isdisjoint(address)


def build_tree(addresses: Iterable[str]) -> Tree:
    """The addresses as a tree of their parts."""
    root: Tree = {}
    for address in addresses:
        node = root
        for part in address.strip("/").split("/"):
            node = node.setdefault(part, {})
        node[""] = {}
    return root


def find_matches(pattern: str, tree: Tree) -> list[str]:
    """The addresses of the tree that a pattern means; none where it is malformed or too long."""
    if len(pattern) > MOST_CHARACTERS or pattern[:1] != "/":
        return []
    found: list[tuple[str, Tree]] = [("", tree)]
    for part in pattern[1:].split("/"):
        if not part:
            return []
        names: dict[str, bool] = {}
        following: list[tuple[str, Tree]] = []
        for path, node in found:
            for name in node:
                if name and name not in names:
                    names[name] = matches(part, name)
                if name and names[name]:
                    following.append((f"{path}/{name}", node[name]))
        found = following
    return [path for path, node in found if "" in node]


def matches(pattern: str, name: str) -> bool:
    """Whether one part of a pattern means the name, from end to end."""
    full = (1 << len(name) + 1) - 1
    places = 1  # bit n: the first n characters of the name are accounted for
    at = 0
    while at < len(pattern) and places:
        sign = pattern[at]
        at += 1
        if sign == "*":
            places = full & -(places & -places)  # the first place and all after it
        elif sign == "?":
            places = places << 1 & full
        elif sign in "[{":
            end = pattern.find("]" if sign == "[" else "}", at)
            if end < 0:
                return False
            inner = pattern[at:end]
            places = _one_of(inner, name, places) if sign == "[" else _any(inner, name, places)
            at = end + 1
        else:
            places = (places & _where(sign, name)) << 1
    return bool(places >> len(name) & 1)


def _where(character: str, name: str) -> int:
    """The places in the name before which that character stands, as bits."""
    return sum(1 << i for i, other in enumerate(name) if other == character)


def _one_of(inner: str, name: str, places: int) -> int:
    negated = inner[:1] == "!"
    ranges, at = [], int(negated)
    while at < len(inner):
        if inner[at + 1 : at + 2] == "-" and at + 2 < len(inner):
            ranges.append((inner[at], inner[at + 2]))
            at += 3
        else:
            ranges.append((inner[at], inner[at]))
            at += 1
    fits = 0
    for i, character in enumerate(name):
        within = any(low <= character <= high for low, high in ranges)
        fits |= (within != negated) << i
    return (places & fits) << 1


def _any(inner: str, name: str, places: int) -> int:
    """The places after any of the texts in a {this,that}."""
    reached = 0
    for text in inner.split(","):
        now = places
        for character in text:
            now = (now & _where(character, name)) << 1
        reached |= now
    return reached
