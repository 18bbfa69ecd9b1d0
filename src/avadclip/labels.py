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

UCF_CRIME_FOLDERS = {
    "Normal": NORMAL,
    "Training_Normal_Videos_Anomaly": NORMAL,
    "Testing_Normal_Videos_Anomaly": NORMAL,
    "Abuse": "abuse",
    "Arrest": "arrest",
    "Arson": "arson",
    "Assault": "assault",
    "Burglary": "burglary",
    "Explosion": "explosion",
    "Fighting": "fighting",
    "RoadAccidents": "road accident",
    "Robbery": "robbery",
    "Shooting": "shooting",
    "Shoplifting": "shoplifting",
    "Stealing": "stealing",
    "Vandalism": "vandalism",
}
"""UCF-Crime's folders, and the names its lists give them, in the order its class indices follow."""
