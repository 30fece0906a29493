"""Honest scores: metrics, intervals over patients, calibration, operating points, the shortcut audit and the report."""
