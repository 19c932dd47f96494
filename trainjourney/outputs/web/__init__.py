"""The page and its doors: HTTP, WHEP, the driving WebSocket, health."""
