"""Going on where a world was lost: in a new process as the show plays, and again in its film."""

from collections.abc import Collection

from trainjourney.journey.board import Board
from trainjourney.journey.journal import How
from trainjourney.journey.world import DreamWorld
from trainjourney.show.departure import Departure, set_out
from trainjourney.show.kept import Place
from trainjourney.types import Frame


def go_on(world: DreamWorld, how: How, place: Place | None, last: Frame) -> None:
    """Set a world at its start to a kept place, or to the last picture, or let it stand."""
    if how == "state":
        assert place is not None
        world.resume(place.state, last, place.seed, place.number, place.unseen)
    elif how == "picture":
        world.reset(last)


class Retrace:
    """The last Output of a film that is made again: it keeps what the show kept, to go on from."""

    def __init__(
        self, world: DreamWorld, board: Board, departure: Departure, kept: Collection[int]
    ) -> None:
        """A world at its start, and the counts of frames after which its state is kept."""
        self._world, self._board, self._seed = world, board, world.seed
        self._departure, self._kept = departure, kept
        self._places: dict[int, Place] = {}
        self._frames = 0
        self._last: Frame | None = None

    def show(self, frame: Frame) -> None:
        """Keep what is to be kept."""
        self._frames, self._last = self._frames + 1, frame
        if self._frames in self._kept:
            world = self._world
            state = {name: array.copy() for name, array in world.state.items()}
            numbers = world.seed, world.number, self._frames, world.unseen
            self._places[self._frames] = Place(state, *numbers)

    def resume(self, how: How, kept: int) -> None:
        """Be as the world was that went on here: with a board as at departure, and no memory."""
        world = self._world
        world.seed = self._seed
        world.reset(self._departure.picture)
        if self._last is not None:
            go_on(world, how, self._places.get(kept), self._last)
        self._board.reset()
        self._board.next_seed = world.seed + 1
        if how == "start":
            set_out(world, self._board, self._departure)

    def close(self) -> None:
        """Nothing to close."""
