"""What an offer may look like before aiortc is let near it. Pure.

aiortc answers in one go and knows no limits of its own; a hostile offer is cut short here.
"""

from trainjourney.errors import WebError

MOST_BYTES = 64 * 1024
MOST_LINES = 2000
MOST_MEDIA = 8
MOST_CANDIDATES = 64
MOST_LINE = 4096


def check_offer(data: bytes) -> str:
    """The offer as text, its mDNS candidates left out. Raises WebError with what is wrong.

    A browser's ".local" candidates would each be asked for on the network for seconds; it reaches
    us first, and then its address is known.
    """
    if len(data) > MOST_BYTES:
        raise WebError(f"the offer is larger than {MOST_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as err:
        raise WebError("the offer is not text") from err
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines or not lines[0].startswith("v=0"):
        raise WebError("the offer is not SDP: it does not begin with v=0")
    if len(lines) > MOST_LINES or max(map(len, lines)) > MOST_LINE:
        raise WebError("the offer has more or longer lines than any browser's")
    media = [line for line in lines if line.startswith("m=")]
    candidates = [line for line in lines if line.startswith("a=candidate:")]
    if len(media) > MOST_MEDIA or len(candidates) > MOST_CANDIDATES:
        raise WebError(f"the offer has {len(media)} media and {len(candidates)} candidates")
    if not any(line.startswith("m=video ") for line in media):
        raise WebError("the offer asks for no video")
    for what in ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"):
        if not _video_has(lines, what):
            raise WebError(f"the offer's video has no {what[2:-1]}")
    _check_names(lines)
    return "\r\n".join(line for line in lines if not _is_mdns(line))


def codecs_of(offer: str) -> set[str]:
    """Which of our codecs the offer's video takes: "h264" as we make it, "vp8"."""
    named: dict[str, str] = {}
    ways: dict[str, str] = {}
    inside = False
    for line in offer.splitlines():
        if line.startswith("m="):
            inside = line.startswith("m=video ")
        elif inside and line.startswith("a=rtpmap:"):
            number, _, name = line[9:].partition(" ")
            named[number] = name.lower().partition("/")[0]
        elif inside and line.startswith("a=fmtp:"):
            number, _, way = line[7:].partition(" ")
            ways[number] = way.lower()
    found = set()
    for number, name in named.items():
        way = ways.get(number, "")
        if name == "vp8":
            found.add("vp8")
        elif name == "h264" and "packetization-mode=1" in way and "profile-level-id=42" in way:
            found.add("h264")
    return found


def hears(offer: str) -> bool:
    """Whether the offer's first audio can be sent sound to: Opus, and willing to receive."""
    opus, willing, inside = False, True, False
    for line in offer.splitlines():
        if line.startswith("m="):
            if inside:
                break
            inside = line.startswith("m=audio ")
        elif inside and line.startswith("a=rtpmap:"):
            opus |= line.lower().endswith(" opus/48000/2")
        elif inside:
            willing &= line.rstrip() not in ("a=sendonly", "a=inactive")
    return inside and opus and willing


def read_fragment(data: bytes) -> tuple[str, list[tuple[str, str]]]:
    """The ICE name of a trickled fragment (RFC 8840) and its candidates as (mid, line).

    Raises WebError.
    """
    if len(data) > MOST_BYTES:
        raise WebError(f"the fragment is larger than {MOST_BYTES} bytes")
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as err:
        raise WebError("the fragment is not text") from err
    name, mid = "", "0"
    candidates: list[tuple[str, str]] = []
    for line in lines:
        if len(line) > MOST_LINE:
            raise WebError("the fragment has a line longer than any browser's")
        if line.startswith("a=ice-ufrag:"):
            name = line[12:]
        elif line.startswith("a=mid:"):
            mid = line[6:]
        elif line.startswith("a=candidate:") and not _is_mdns(line):
            candidates.append((mid, line[12:]))
    if len(candidates) > MOST_CANDIDATES:
        raise WebError(f"the fragment has {len(candidates)} candidates")
    return name, candidates


def ice_name(description: str) -> str:
    """The ICE name (ufrag) in a description, or nothing."""
    for line in description.splitlines():
        if line.startswith("a=ice-ufrag:"):
            return line[12:].strip()
    return ""


def _video_has(lines: list[str], start: str) -> bool:
    """Whether the first video, or all media together, have a line that starts so."""
    place = "session"
    for line in lines:
        if line.startswith("m="):
            if place == "video":
                return False
            place = "video" if line.startswith("m=video ") else "other"
        elif line.startswith(start) and place != "other":
            return True
    return False


def _check_names(lines: list[str]) -> None:
    """Raises WebError where media share a name, or one transport with media that are not there:
    aiortc is then left with no transport at all, and cannot even close."""
    names: list[str] = []
    known, bundled = False, set()
    for line in lines:
        if line.startswith("m="):
            known = line.startswith(("m=video ", "m=audio ", "m=application "))
            names.append("")
        elif names and line.startswith("a=mid:"):
            if names[-1] or line[6:] in names:
                raise WebError("the offer names its media twice, or two of them alike")
            names[-1] = line[6:] if known else ""
        elif line.startswith("a=group:BUNDLE"):
            bundled |= set(line[14:].split())
    if bundled - set(names):
        raise WebError("the offer bundles media that it does not have")


def _is_mdns(line: str) -> bool:
    return line.startswith("a=candidate:") and ".local " in line
