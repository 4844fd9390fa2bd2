"""One file for each figure of BENCHMARKS.md, its peer beside it in the same run."""
