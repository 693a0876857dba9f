"""The books of the companies that settle, and what points are worth in them."""
