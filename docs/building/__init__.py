"""What the site needs of its own while it is built."""
