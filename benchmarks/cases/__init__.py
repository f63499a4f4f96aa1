"""The cases of the benchmark runner, a module for each group."""
