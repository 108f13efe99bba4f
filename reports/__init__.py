"""The writer: turns a StudyAnalysis into DICOM result objects."""
