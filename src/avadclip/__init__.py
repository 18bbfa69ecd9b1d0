"""Find anomalous events in untrimmed video with sound, learning from one label per video."""

__version__ = "0.1.0"
