"""Where decisions come from: relevances of many examples, how far they can be trusted, and their figures."""
