"""What pickles of other libraries hold, one module a library; read by hpscli/data/pickles.py."""
