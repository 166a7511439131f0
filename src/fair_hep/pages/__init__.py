"""Documents, figures and pages that ask nothing of any server."""
