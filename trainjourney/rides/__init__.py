"""Rides: real videos read, measured and made into datasets. Torch-free."""
