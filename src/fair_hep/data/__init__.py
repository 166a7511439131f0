"""Raw files from wherever they come, and the stores that training reads."""
