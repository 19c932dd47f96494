"""What a bundle sets out in, dreamt where it is written, so that no first show waits for it."""

from trainjourney.errors import TrainingError
from trainjourney.inference import Bundle, open_engine
from trainjourney.inference.shipped_start import ShippedStart
from trainjourney.journey.world import DreamWorld
from trainjourney.settings import JourneyConfig


def dream_start(bundle: Bundle) -> ShippedStart:
    """The state in which a show of the bundle sets out that is told neither look nor seed.

    Raises TrainingError where it gives none, BundleError, BackendError.
    """
    look, seed = bundle.looks[0], JourneyConfig().seed
    world = DreamWorld(open_engine(bundle, precision="f32"), bundle.manifest, seed)
    world.reset(None)
    world.set_out(look.embedding)
    if world.thrown:
        raise TrainingError(
            f"{bundle.folder}: gives no country for look '{look.name}'; train it longer"
        )
    state = {name: array.copy() for name, array in world.state.items()}
    return ShippedStart(seed, look.embedding, state)
