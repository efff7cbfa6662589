"""What data sets come in: pickles, archives of arrays, MATLAB files, JSON, videos; no file runs code."""
