"""``python -m dicom_node``: the command line where the entry point is not on the PATH."""

import sys

from dicom_node.cli import main

sys.exit(main())
