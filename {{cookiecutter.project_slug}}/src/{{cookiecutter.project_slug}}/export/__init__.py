"""From a trained network to a bundle: the graphs, how they compare with PyTorch, and the stored explanations."""
