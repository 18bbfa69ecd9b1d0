"""What the paper prints, in percent: by table, row and column.

Tables 1 to 6: Wu et al., "AVadCLIP: Audio-Visual Collaboration for Robust Video Anomaly Detection", arXiv 2504.04495,
IEEE TMM 2026. Columns marked v2 and the cross-dataset table are in the second version of the preprint only. All of it
is the best epoch by the test split.
"""

from collections.abc import Mapping

PRINTED_SELECTION = "best epoch on the test split"
IOUS = ("mAP@.1", "mAP@.2", "mAP@.3", "mAP@.4", "mAP@.5", "AVG")

Row = Mapping[str, float]


def _ap(percent: float) -> Row:
    return {"AP": percent}


def _map(*percents: float) -> Row:
    return dict(zip(IOUS, percents, strict=True))


def _both(ap: float, average: float) -> Row:
    return {"AP": ap, "AVG": average}


PRINTED: Mapping[str, Mapping[str, Row]] = {
    "1": {
        "DeepMIL": _ap(75.18),
        "HL-Net": _ap(80.00),
        "RTFM": _ap(78.27),
        "AVVD": _ap(78.10),
        "Ju et al.": _ap(76.57),
        "UR-DMU": _ap(82.41),
        "CLIP-TSA": _ap(82.17),
        "VadCLIP": _ap(84.51),
        "FVAI": _ap(81.69),
        "MACIL-SD": _ap(81.21),
        "CUPL": _ap(81.43),
        "AVCL": _ap(81.11),
        "AVadCLIP*": _ap(85.53),
        "AVadCLIP": _ap(86.04),
    },
    "2": {
        "Random": _map(1.82, 0.92, 0.48, 0.23, 0.09, 0.71),
        "DeepMIL": _map(22.72, 15.57, 9.98, 6.20, 3.78, 11.65),
        "AVVD": _map(30.51, 25.75, 20.18, 14.83, 9.79, 20.21),
        "VadCLIP": _map(37.03, 30.84, 23.38, 17.90, 14.31, 24.70),
        "AVadCLIP*": _map(39.63, 32.77, 26.84, 21.58, 16.39, 27.44),
        "AVadCLIP": _map(41.89, 34.61, 27.08, 22.16, 17.30, 28.61),
    },
    "3": {
        "MACIL-SD": _ap(72.92),
        "UR-DMU": _ap(72.97),
        "AVCL": _ap(73.20),
        "VadCLIP": _both(72.78, 10.66),
        "AVadCLIP*": _both(73.36, 11.02),
        "AVadCLIP": _both(73.38, 12.17),
    },
    "4": {
        "none": _both(79.85, 27.89),
        "fusion": _both(82.90, 26.63),
        "fusion, prompt": _both(86.18, 26.79),
        "fusion, prompt, focal": _both(86.04, 28.61),
    },
    "5": {
        "cross-attention": _both(75.15, 10.51),
        "addition": _both(83.02, 27.66),
        "concatenation, linear": _both(83.36, 28.88),
        "adaptive": _both(86.04, 28.61),
    },
    "6": {
        "sound": _both(50.89, 12.20),
        "sound, distilled": _both(52.51, 13.50),
        "picture": _both(84.60, 22.92),
        "picture, distilled": _both(85.53, 27.44),
        "picture and sound": _both(86.04, 28.61),
    },
    "cross": {
        "trained on the first, tested on the second": _ap(69.24),
        "trained on the second, tested on the first": _ap(76.60),
    },
}
