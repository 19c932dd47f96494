"""The artwork, pure: the world, what steers it, when its frames are due."""
