"""An evaluation as a command asks for it, from the words of the request to the files written."""
