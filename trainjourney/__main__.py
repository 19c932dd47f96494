"""`python -m trainjourney`, the same as `trainjourney`."""

from trainjourney.cli import main

main()
