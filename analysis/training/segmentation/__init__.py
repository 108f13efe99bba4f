"""Training of the segmentation networks on the ring phantom; needs the ``training`` extra."""
