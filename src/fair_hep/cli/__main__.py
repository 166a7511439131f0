"""``python -m fair_hep.cli VERB``: the verbs of the project at hand, without its own command."""

from .project import main

main()
