"""The table of parameters and what turns them."""
