"""What an operator can get wrong, as one tree.

TrainjourneyError
├── ConfigError     a setting: unknown, of the wrong type, out of range
├── BundleError     a bundle: a file missing, altered, of another format
├── BackendError    the library that should run a bundle: missing or refusing
├── PictureError    a picture: missing, no image, of no use
├── OutputError     a film or file that cannot be written
├── WebError        the page and its viewers: a port, a token, an offer of no use
├── ControlError    a control surface: a port in use, a device or map of no use
├── DisplayError    a window that cannot be opened
├── RideError       a video of a ride: unreadable, or of no use
└── TrainingError   a training that cannot start, go on or be exported

A message says what, where, and what to type next, in one line. `cli.py` prints it and ends
with the exit code. Foreign errors are translated once, where they arise, `from err`.
"""


class TrainjourneyError(Exception):
    """Something the operator can put right."""

    exit_code = 2


class ConfigError(TrainjourneyError):
    """A setting is unknown, of the wrong type or out of range."""


class BundleError(TrainjourneyError):
    """A bundle is missing a file, has an altered one, or is of another format."""


class BackendError(TrainjourneyError):
    """The library that should run a bundle is missing or refuses it."""


class PictureError(TrainjourneyError):
    """A picture is missing, is no image, or is of no use."""


class OutputError(TrainjourneyError):
    """A film or another file cannot be written."""


class WebError(TrainjourneyError):
    """The page cannot be served, or a viewer asks for what cannot be."""


class ControlError(TrainjourneyError):
    """A control surface cannot be reached, or what it is told is of no use."""


class DisplayError(TrainjourneyError):
    """A window cannot be opened."""


class RideError(TrainjourneyError):
    """A video of a ride cannot be read, or nothing can be learnt from it."""


class TrainingError(TrainjourneyError):
    """A training cannot start, go on or be exported."""
