"""``python -m fair_hep.serve BUNDLE``: what the image starts."""

from .server import main

main()
