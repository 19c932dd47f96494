"""The process of viewers that `trainjourney bench viewers` starts."""


def watchers(url: str, viewers: int) -> None:
    """Watch a page as so many viewers (started by a bench)."""
    import asyncio

    from trainjourney.show.bench_viewers import watch

    asyncio.run(watch(url, viewers))
