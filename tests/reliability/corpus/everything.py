"""All cases of the corpus."""

from . import bombs, damaged, files, impostors, odd, results

CASES = (*damaged.CASES, *odd.CASES, *bombs.CASES, *impostors.CASES, *files.CASES, *results.CASES)

DRAWN_KINDS = ("cut off", "zeros inside", "random bytes", "bits flipped", "halves of two files")
"""Damage at random places of encoded content: what comes of one of them is another matter in another encoder's file."""
