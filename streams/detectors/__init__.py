"""Detectors behind the ports of `streams.core.redact.ports`: they load libraries and model files, the core does not."""
