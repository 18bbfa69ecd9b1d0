"""Find anomalous events in untrimmed video with sound, learning from one label per video."""

import os

__version__ = "0.1.0"

# ONNX Runtime sends telemetry unless disabled before its first import; docs/intended-use.md rules it out.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
