"""The DICOM node: receives studies, has them analysed, delivers the results, remembers every step."""
