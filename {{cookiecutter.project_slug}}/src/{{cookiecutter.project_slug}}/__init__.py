"""A published, explained machine-learning model of particle physics; ``project.yaml`` says which."""
