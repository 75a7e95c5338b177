"""Switches AI models on and off across regions, and proves it."""

__version__ = "0.1.0"
