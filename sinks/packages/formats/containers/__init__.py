"""Containers: how rows of any columns stand in a file, one module a container."""
