"""An archive from the fastest server that has it, complete or not at all."""
