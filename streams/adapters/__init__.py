"""Importers: recorded runs of other systems to events."""
