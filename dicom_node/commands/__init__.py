"""One module per command of ``dicom-node``; see `dicom_node.cli`."""
