"""From field photographs to arrays for a crop classifier, and a map of where they were taken."""

__version__ = "0.1.0"
