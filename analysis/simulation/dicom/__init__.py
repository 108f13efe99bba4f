"""Phantoms as DICOM: one writer for each way densitometers speak."""
