"""stub while runs go"""
from typing import NamedTuple
import numpy as np
from sklearn.metrics import average_precision_score
class Results(NamedTuple):
    bags: object
    outcomes: object
def frame_ap(scores, bags):
    truth=np.concatenate([bag.composition.event_kinds!="" for bag in bags])
    return float(average_precision_score(truth, scores.reshape(-1)))
def write_pages(*a): pass
