"""The analysis engine: pure functions from DICOM datasets to measurements, risk and advice.

Importing this package is cheap; heavy libraries load in the modules that use them.
"""

import os

__version__ = "0.6.0"

# ONNX Runtime (1.29 and later) tells its makers which models are run on which machine, unless this is set
# before it loads; a hospital's machine tells nobody
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
