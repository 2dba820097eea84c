"""Benchmarks: programs that compare counts first and print times after."""
