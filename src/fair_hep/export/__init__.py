"""From a network to graphs that anybody can run, and proof that they agree with it."""
