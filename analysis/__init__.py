"""The analysis engine: pure functions from DICOM datasets to measurements, risk and advice.

Importing this package is cheap; heavy libraries load in the modules that use them.
"""

__version__ = "0.6.0"
