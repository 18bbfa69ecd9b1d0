"""Verdicts of people on events: their routes, and the folder that they are pulled into."""
