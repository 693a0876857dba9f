"""Settlement as pictures: SVG with presentation attributes only, so that it passes a strict content security policy."""
