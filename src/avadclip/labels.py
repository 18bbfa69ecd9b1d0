"""Class names and the benchmarks' codes for them. Class 0 is always `normal`."""

NORMAL = "normal"

XD_VIOLENCE_CODES = {
    "A": NORMAL,
    "B1": "fighting",
    "B2": "shooting",
    "B4": "riot",
    "B5": "abuse",
    "B6": "car accident",
    "G": "explosion",
}
"""XD-Violence's label codes in the order its class indices follow."""
