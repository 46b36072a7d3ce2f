"""What perf/run measures, one file a figure. Python's standard library only, but for browser.py, which playwright runs."""
