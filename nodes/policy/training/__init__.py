"""Training of the walking policies: robots as configuration, one recipe, ONNX with its manifest out."""
