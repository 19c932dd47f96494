"""Glass to glass: from a frame in the show to its pixels in a browser, by a code in the picture."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from trainjourney.controls.desk import Desk
from trainjourney.errors import WebError
from trainjourney.journey.picture import load_picture
from trainjourney.outputs.testcard import CELLS, CODE_PX, Stamped, TestCard
from trainjourney.outputs.web.server import Show, serve
from trainjourney.settings import WebConfig, WebrtcConfig

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
SETTLE_S = 2.0  # from the first picture to the first that counts
_ARGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
# Read the code of every frame that is shown for so many ms; the clock is this machine's own.
_READ = """([seconds, cells, rows]) => new Promise((done) => {
  const video = document.querySelector("video"), delays = [];
  const until = performance.now() + 1000 * seconds;
  const look = () => {
    const now = Date.now(), canvas = new OffscreenCanvas(video.videoWidth, rows);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(video, 0, 0);
    const line = pen.getImageData(0, rows / 2, canvas.width, 1).data;
    let value = 0;
    for (let i = 2; i < 34; i += 1) {
      const at = 4 * Math.floor((i + 0.5) * canvas.width / cells);
      value = value * 2 + (line[at + 1] > 118 ? 1 : 0);
    }
    const delay = ((now % 2 ** 32) - value + 2 ** 32) % 2 ** 32;
    if (delay < 10000) delays.push(delay);
    if (performance.now() > until) done(delays); else video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
})"""


def bench_glass(
    seconds: float, width: int = 512, height: int = 256, settle_s: float = SETTLE_S
) -> dict[str, Any]:
    """A test card watched in a headless Chromium. Raises WebError where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as err:
        raise WebError("playwright is not installed here; type: pip install '.[test]'") from err
    path = next((path for path in CHROMIUM if Path(path).exists()), None)
    if path is None:
        raise WebError("no Chromium here; type: apt install chromium")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="page")
    thread.start()
    card = Stamped(TestCard(width, height))
    show = Show(card, Desk(), 30.0, load_picture, speed=lambda: 1.0)
    served = serve(show, WebConfig(port=0), WebrtcConfig())
    server = asyncio.run_coroutine_threadsafe(served, loop).result(20)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=_ARGS)
            page = browser.new_page()
            begun_s = time.monotonic()
            page.goto(server.address)
            while not page.evaluate("window.train && train.frames > 0"):
                if time.monotonic() - begun_s > 30:
                    raise WebError(f"{server.address} shows nothing in Chromium within 30 s")
                time.sleep(0.02)
            first_s = time.monotonic() - begun_s
            time.sleep(settle_s)
            delays = page.evaluate(_READ, [seconds, CELLS, CODE_PX])
            browser.close()
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
    if not delays:
        raise WebError("the code in the picture could not be read back")
    return {
        "page_to_picture_s": round(first_s, 2),
        "glass_frames": len(delays),
        "glass_p50_ms": round(float(np.percentile(delays, 50)), 1),
        "glass_p95_ms": round(float(np.percentile(delays, 95)), 1),
        "glass_worst_ms": max(delays),
    }
