"""Judging: how good a bundle's picture is, told from its frames alone. Torch-free."""
