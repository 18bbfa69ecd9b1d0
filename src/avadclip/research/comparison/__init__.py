"""Comparison of two extractions of the same videos: whether one's own features are those that were published."""
