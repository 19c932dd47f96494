"""The network thread: services run, fail, are told of, come again, and end when told to."""

import asyncio
import threading

import pytest

from trainjourney.errors import OutputError
from trainjourney.show.network import Network


def test_services_run_beside_each_other_and_are_cancelled_at_the_end() -> None:
    running, ended = threading.Barrier(3), list[str]()

    def service(name: str) -> object:
        async def serve() -> None:
            try:
                await asyncio.get_running_loop().run_in_executor(None, running.wait, 10.0)
                await asyncio.sleep(1000.0)
            finally:
                ended.append(name)

        return serve

    network = Network({name: service(name) for name in ("web", "osc")})  # type: ignore[misc]
    network.start()
    running.wait(10.0)
    network.close()
    assert sorted(ended) == ["osc", "web"]


@pytest.mark.parametrize(
    ("error", "told", "times"),
    [
        (OutputError("port 8080 is in use; give another"), "web: port 8080 is in use; give", 1),
        (KeyError("ours"), "web failed; trying again", 2),
    ],
)
def test_a_service_that_fails_is_told_of_and_started_again(
    error: Exception, told: str, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    tries, well = list[int](), threading.Event()

    async def serve() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise error
        well.set()
        await asyncio.sleep(1000.0)

    network = Network({"web": serve}, first_wait_s=0.01)
    network.start()
    assert well.wait(10.0)
    network.close()
    assert [told in record.getMessage() for record in caplog.records] == [True] * times


def test_one_that_never_started_is_closed_too() -> None:
    Network({}).close()
