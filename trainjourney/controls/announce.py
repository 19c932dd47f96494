"""Tell the network that a show can be steered here: OSCQuery and OSC by zeroconf (optional)."""

import asyncio
import logging
import socket
from contextlib import suppress
from typing import Any

from trainjourney.errors import ControlError

log = logging.getLogger(__name__)


class Announcement:
    """The services _oscjson._tcp and _osc._udp, from `start` to `close`, in an asyncio loop."""

    def __init__(self, name: str, addresses: list[str], http_port: int, osc_port: int) -> None:
        """`addresses` are numeric, of this machine. Raises ControlError without zeroconf."""
        try:
            from zeroconf import ServiceInfo
        except ModuleNotFoundError as err:
            raise ControlError(
                "osc.announce needs zeroconf, which is not installed here; "
                "type: pip install '.[zeroconf]'"
            ) from err
        host = f"{socket.gethostname().partition('.')[0] or 'trainjourney'}.local."
        label = name.replace(".", " ")[:40]  # a dot would part a name
        self._zeroconf: Any = None
        self._services = [
            ServiceInfo(
                f"{kind}.local.", f"{label}.{kind}.local.", port=port, server=host,
                parsed_addresses=addresses, properties={"txtvers": "1"},
            )
            for kind, port in (("_oscjson._tcp", http_port), ("_osc._udp", osc_port))
            if port
        ]  # fmt: skip
        self._addresses = addresses

    async def start(self) -> None:
        """Announce. Raises ControlError where the network refuses."""
        from zeroconf import NonUniqueNameException
        from zeroconf.asyncio import AsyncZeroconf

        try:
            self._zeroconf = AsyncZeroconf(interfaces=self._addresses)
            register = self._zeroconf.async_register_service
            telling = [register(one, allow_name_change=True) for one in self._services]
            await asyncio.gather(*await asyncio.gather(*telling))
        except (OSError, NonUniqueNameException) as err:
            await self.close()
            raise ControlError(
                f"cannot be announced ({err}); go on without, or mend the network"
            ) from err
        log.info("osc: announced as %s", self._services[0].name if self._services else "nothing")

    async def close(self) -> None:
        """Take it back."""
        if self._zeroconf:
            with suppress(OSError):
                await self._zeroconf.async_unregister_all_services()
            await self._zeroconf.async_close()
            self._zeroconf = None
