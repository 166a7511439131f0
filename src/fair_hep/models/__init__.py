"""What a model must offer, and the ways to describe one."""
