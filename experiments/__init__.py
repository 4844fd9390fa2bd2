"""Entry points: one question per file; `python -m experiments.NAME --help` tells what each answers."""
