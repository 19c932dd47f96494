"""The publishing process, which a show starts by itself."""


def publisher() -> None:
    """Send packets that come at stdin to a server (started by a show that publishes)."""
    import asyncio

    from trainjourney.outputs.whip import run_publisher
    from trainjourney.signals import let_through

    let_through()
    asyncio.run(run_publisher())
