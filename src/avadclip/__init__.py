"""Find anomalous events in untrimmed video with sound, learning from one label per video."""

import os

__version__ = "0.1.0"

# ONNX Runtime reports its use to its makers unless told so before its first import; docs/intended-use.md promises none.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
