"""Files as the authors of models wrote them: opened, brought in, written back, checked."""
