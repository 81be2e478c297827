"""Shapes: what one row says to its reader, one module a shape."""
