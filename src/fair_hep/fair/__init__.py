"""Is a project FAIR in fact? Principles as a table, checks that leave evidence, and the validators of others."""
