"""What takes frames: the window, the film, nothing."""
