"""What the benchmarks share: servers, measured processes, contenders, tables."""
