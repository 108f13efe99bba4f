"""What may leave the hospital for whoever helps to find a fault: without any patient's identity."""
