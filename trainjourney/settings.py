"""The settings of the show, a section a part: every default, its range and one line of help."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part's own settings. A part is given its section, never the whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class EngineConfig(Section):
    """Which bundle dreams, and what runs it."""

    name: str = Field(
        default="pocket", description="The bundle: a name under engines/, or a folder."
    )
    backend: Literal[
        "auto", "openvino", "onnxruntime", "torch", "torch-compile", "tensorrt", "onnxruntime-cuda"
    ] = Field(
        default="auto",
        description="auto, openvino, onnxruntime; on a GPU torch, torch-compile, tensorrt, "
        "onnxruntime-cuda.",
    )
    precision: Literal["auto", "bf16", "f16", "f32"] = Field(
        default="auto",
        description="auto, bf16, f16 or f32; auto is what the processor or GPU is fast at.",
    )
    threads: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Processor threads of predictor and decoder together; 0 is one a core.",
    )
    fps: int = Field(
        default=0,
        ge=0,
        le=240,
        description="Frames that the world makes a second, at the train's same pace; 0 is the "
        "bundle's own.",
    )


class JourneyConfig(Section):
    """Where the journey starts and how it runs."""

    start: str = Field(
        default="", description="A picture to start from; empty starts in the look's own."
    )
    look: str = Field(
        default="",
        description="A look of the bank by name; empty is the start picture's own, or the first.",
    )
    speed: float = Field(
        default=1.0,
        ge=-2.0,
        le=2.0,
        description="x cruising; 0 stands still, negative runs backwards.",
    )
    dream: float = Field(
        default=0.2, ge=0.0, le=1.0, description="0 follows what was, 1 repaints all that enters."
    )
    tour: str = Field(
        default="", description="A tour to follow: a TOML file of looks, speeds and melts by time."
    )
    seed: int = Field(
        default=0, ge=0, lt=2**63, description="The same seed makes the same film on one backend."
    )
    melt_s: float = Field(
        default=3.0,
        ge=0.0,
        le=600.0,
        description="Seconds that one look takes to melt into another.",
    )


class WindowConfig(Section):
    """The window on this machine's screen."""

    scale: float = Field(
        default=2.0, ge=0.25, le=16.0, description="Size at opening, x the size of a frame."
    )
    fullscreen: bool = Field(default=False, description="Open over the whole screen; F changes it.")
    turn: int = Field(
        default=0, ge=0, le=270, multiple_of=90,
        description="Degrees clockwise that the picture is turned, by 90.",
    )  # fmt: skip
    vsync: bool = Field(default=True, description="Wait for the screen where the system allows it.")
    overlay: bool = Field(default=False, description="Show figures over the picture; H changes it.")


class ShowConfig(Section):
    """How patient the show is with its world, and where it begins again."""

    hung_s: float = Field(
        default=3.0,
        ge=0.5,
        le=600.0,
        description="A world without a frame for so many seconds is started again.",
    )
    opening_s: float = Field(
        default=600.0, ge=5.0, le=86400.0, description="Seconds until a world's first frame."
    )
    resume: bool = Field(
        default=False,
        description="Begin where the controls of the last show stood, and keep where they stand.",
    )


class FilmConfig(Section):
    """The film that --output writes."""

    crf: int = Field(
        default=18, ge=0, le=51, description="H.264 quality: 0 without loss, 51 the worst."
    )
    preset: Literal["ultrafast", "veryfast", "fast", "medium", "slow"] = Field(
        default="veryfast", description="Effort: ultrafast, veryfast, fast, medium or slow."
    )
    fps: int = Field(
        default=0,
        ge=0,
        le=240,
        description="Frames of it that are played a second; 0 is the world's own.",
    )


class WebConfig(Section):
    """The page: viewers and drivers over HTTP."""

    listen: str = Field(
        default="127.0.0.1",
        description="Address to listen at; 0.0.0.0 is all of them, and needs a token.",
    )
    port: int = Field(
        default=8410, ge=0, le=65535, description="The port; 0 takes one that is free."
    )
    hosts: str = Field(
        default="", description="Names that the page is reached by, with commas between."
    )
    tokens: str = Field(
        default="", description="The file of tokens; empty keeps it in the user's state folder."
    )
    requests: int = Field(
        default=60, ge=5, le=10_000, description="Requests a second that one address may make."
    )


class WebrtcConfig(Section):
    """Viewers over WebRTC: one encode for all of them."""

    kbps: int = Field(
        default=3000, ge=100, le=100_000, description="Bits a second of the picture, in thousands."
    )
    viewers: int = Field(default=50, ge=1, le=1000, description="Most viewers at once.")
    sound: bool = Field(
        default=True, description="Send the sound of the train to viewers who can hear it."
    )
    stun: str = Field(
        default="", description="A STUN server, as stun:host:port; empty contacts nobody."
    )
    turn: str = Field(default="", description="A TURN server for viewers, as turn:host:port.")
    turn_secret: str = Field(
        default="", description="The file with the secret that coturn shares (use-auth-secret)."
    )


class RecordingConfig(Section):
    """Recordings that the control 'record' starts."""

    folder: str = Field(default="recordings", description="Where recordings and stills go.")
    minutes: float = Field(
        default=10.0, ge=0.05, le=1440.0, description="Minutes in one file; then the next begins."
    )
    keep_gb: float = Field(
        default=20.0, ge=0.001, le=100_000.0, description="The oldest go where all are larger."
    )
    free_gb: float = Field(
        default=1.0, ge=0.0, le=100_000.0, description="Recording stops where the disk has less."
    )


class PublishConfig(Section):
    """Sending the picture on to a server that has room for many viewers (an SFU)."""

    url: str = Field(default="", description="Its WHIP address, as whip+https://host/path.")
    token: str = Field(default="", description="The file with the token (Bearer) for it.")


class NdiConfig(Section):
    """NDI: the picture on the local network, for programs that mix pictures."""

    name: str = Field(
        default="",
        max_length=60,
        description="The name that receivers list, as Train; empty sends none (pip extra ndi).",
    )


class OscConfig(Section):
    """OSC: controllers and programs that turn the controls over UDP."""

    port: int = Field(default=9000, ge=0, le=65535, description="The port; 0 is no OSC.")
    host: str = Field(
        default="127.0.0.1", description="The address to listen at; 0.0.0.0 is all of them."
    )
    allow: str = Field(
        default="127.0.0.0/8, ::1",
        description="All who may send, this machine too: addresses and networks, commas between.",
    )
    rate: int = Field(
        default=2000,
        ge=10,
        le=100_000,
        description="Messages a second from one sender; of more, the newest value counts.",
    )
    feedback: str = Field(
        default="",
        description="Who is told what changes: address:port, with commas between.",
    )
    announce: bool = Field(
        default=False, description="Announce OSC and OSCQuery by zeroconf (pip extra zeroconf)."
    )


class MidiConfig(Section):
    """MIDI: devices that turn the controls, by the maps that trainjourney midi learn keeps."""

    play: Literal["auto", "on", "off"] = Field(
        default="auto", description="auto plays where MIDI is there (pip extra midi); on, off."
    )
    devices: str = Field(
        default="", description="Parts of the names of those wanted, commas between; empty: all."
    )
    map: str = Field(default="", description="The file of maps; empty is in the state folder.")
    clock: bool = Field(default=True, description="A device's clock sets tempo and beat.")
    lights: bool = Field(default=True, description="Send devices what their lights shall show.")


class LooksConfig(Section):
    """The bank: a folder of pictures, each of them a look while it is there."""

    folder: str = Field(
        default="looks", description="The folder; a number before a name is its slot. Empty: none."
    )
    bundle: bool = Field(
        default=True, description="Keep the bundle's own looks, in front of the folder's."
    )
    set: str = Field(
        default="", description="A set saved in the folder by trainjourney looks save; else all."
    )


class JournalConfig(Section):
    """The journal, of which trainjourney render makes the same film again."""

    write: bool = Field(default=True, description="Write a journal of every show.")
    folder: str = Field(
        default="", description="Where journals go; empty is the user's state folder."
    )
    file: str = Field(
        default="", description="The journal of this show; empty is a new one in the folder."
    )
    keep_gb: float = Field(
        default=1.0,
        ge=0.001,
        le=100_000.0,
        description="The oldest go where all are larger; one show's ends at half of that.",
    )


class HoursConfig(Section):
    """Opening hours: outside them the picture is dark and the world rests."""

    open: str = Field(
        default="",
        description='When, as "Tue-Sun 10:00-18:00, Thu 10:00-20:00": the last of a day holds; '
        "empty is always.",
    )


class Config(Section):
    """All sections together."""

    engine: EngineConfig = EngineConfig()
    journey: JourneyConfig = JourneyConfig()
    window: WindowConfig = WindowConfig()
    film: FilmConfig = FilmConfig()
    web: WebConfig = WebConfig()
    webrtc: WebrtcConfig = WebrtcConfig()
    recording: RecordingConfig = RecordingConfig()
    publish: PublishConfig = PublishConfig()
    ndi: NdiConfig = NdiConfig()
    osc: OscConfig = OscConfig()
    journal: JournalConfig = JournalConfig()
    looks: LooksConfig = LooksConfig()
    midi: MidiConfig = MidiConfig()
    show: ShowConfig = ShowConfig()
    hours: HoursConfig = HoursConfig()
