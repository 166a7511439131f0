"""Networks that classify sets of particles: all that doesn't differ between them, and the usual measures."""
