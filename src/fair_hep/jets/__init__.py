"""Jets: readers, subjets, and the study of their edges."""
