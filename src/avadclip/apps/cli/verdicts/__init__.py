"""`avadclip verdicts`, and what other commands do with a folder of verdicts."""
