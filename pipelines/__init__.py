"""The command line, and the plain functions of the other rooms run over many items on Ray."""
