"""`python -m tests.bench`: how fast the real server is beside the same stack without our promises, in one run on one machine."""
