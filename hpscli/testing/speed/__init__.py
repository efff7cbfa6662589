"""How fast things are beside the plain way to do them, for `hps bench`."""
