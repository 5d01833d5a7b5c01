"""An archive from the fastest server that has it, whole or not at all."""
