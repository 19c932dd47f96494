"""Commands beyond the first ones in cli.py, a topic a file; each is thin and imports late."""
