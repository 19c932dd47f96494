"""The process that sends by NDI, which a show starts by itself."""


def ndi_source() -> None:
    """Send frames that come at stdin by NDI (started by a show that does)."""
    import sys

    from trainjourney.outputs.ndi_source import run_source
    from trainjourney.signals import let_through

    let_through()
    with open(0, "rb", closefd=False) as frames:
        run_source(frames, sys.stdout)
