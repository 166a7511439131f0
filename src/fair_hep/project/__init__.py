"""The verbs of a project, one file for each."""
